"""The int8 form of a published model: what it is measured on, and how it is published."""
