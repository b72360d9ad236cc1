"""What an operator may do, without a screen: the command line and the admin page call the same functions."""
