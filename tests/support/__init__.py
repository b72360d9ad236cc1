"""What tests share: a running gateway, a browser that follows its pages, the catalogue of vectors."""
