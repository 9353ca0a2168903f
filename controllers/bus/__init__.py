"""The bus: who sends and receives on topics, in one process or over MQTT, behind one Protocol."""
