"""The real parts that the tests run against, each behind one small module."""
