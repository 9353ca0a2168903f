"""OpenADR 2.0b towards sites whose client is older than version 3."""
