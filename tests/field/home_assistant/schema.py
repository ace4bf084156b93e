"""Writes Home Assistant's own schemas of MQTT discovery as JSON Schema: how VERSION.json beside this file was made.

    python3.14 -m venv here && here/bin/pip install homeassistant==2026.11.0 paho-mqtt==2.1.0
    here/bin/python schema.py > 2026.11.0.json

Home Assistant writes its schemas with probatio, which can say them as JSON Schema; what only Python can say, such as that a
template parses, is left open there. It needs Python 3.14.2 or newer. `device` is the message of a device. The platforms'
schemas are those of YAML, which refuse a key that they do not know; the ones of discovery drop it without a word.
"""
import json
import sys

from homeassistant.components.mqtt import binary_sensor, image, schemas, sensor
from homeassistant.const import __version__
from probatio.codecs.jsonschema import to_json_schema

platforms = {"binary_sensor": binary_sensor, "image": image, "sensor": sensor}
rendered = {
    "homeassistant": __version__,
    "shared": schemas.SHARED_OPTIONS,
    "device": to_json_schema(schemas.DEVICE_DISCOVERY_SCHEMA),
    "platforms": {name: to_json_schema(module.PLATFORM_SCHEMA_MODERN) for name, module in platforms.items()},
}
json.dump(rendered, sys.stdout, indent=1, sort_keys=True)
print()
