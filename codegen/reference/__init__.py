"""The pages of the documentation that are generated from the catalogues."""
