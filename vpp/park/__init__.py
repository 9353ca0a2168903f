"""The park as typed, validated objects, read from YAML."""
