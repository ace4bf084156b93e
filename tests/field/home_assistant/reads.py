"""Reads the messages of a node in the order in which they came, as Home Assistant does.

    python reads.py SCHEMA MESSAGES

SCHEMA is one of the files that schema.py wrote. MESSAGES has a line for each message: {"topic": ..., "payload": text}; an
empty payload is a retained message that was cleared. Discovery messages are held against the schema; every other message
is rendered by the templates of the entities that listen to its topic, in Jinja's sandbox with what Home Assistant adds to it
and these templates use: `this`, `tojson`, `value_json`. Whatever it would log as an error or a warning is a fault: a
message that is not valid, a template that fails or meets something undefined, attributes that are no JSON object, and a
state for an entity that was never shown or that was taken away. Prints one line of JSON: faults, what is shown at the end
by name of its device, and for each entity its states with their attributes, one for each row in Home Assistant's database.
"""
import json
import logging
import pathlib
import sys

import jinja2
import jsonschema
from jinja2.sandbox import ImmutableSandboxedEnvironment

schema = json.loads(pathlib.Path(sys.argv[1]).read_text())
faults = []


class Undefined(jinja2.make_logging_undefined(logging.getLogger("undefined"))):
    """Home Assistant's: writes a warning when it is printed, asked whether it is true, or gone through."""


class Faults(logging.Handler):
    def emit(self, record):
        faults.append(f"undefined: {record.getMessage()}")


logging.getLogger("undefined").addHandler(Faults())
logging.getLogger("undefined").propagate = False
environment = ImmutableSandboxedEnvironment(undefined=Undefined)
environment.filters["tojson"] = lambda value: json.dumps(value)


def check(what, part, value):
    for error in jsonschema.Draft202012Validator(part).iter_errors(value):
        faults.append(f"{what}: {error.json_path}: {error.message}")


def rendered(entity, template, payload):
    """A template's text, or none where it fails."""
    state, attributes = entity.rows[-1]
    variables = {"value": payload, "this": {"state": state, "attributes": attributes}}
    try:
        variables["value_json"] = json.loads(payload)
    except ValueError:
        pass
    try:
        return environment.from_string(template).render(variables).strip()
    except Exception as error:
        faults.append(f"{entity.id}: {error!r} rendering {template} with {payload!r}")
        return None


class Entity:
    def __init__(self, id):
        self.id, self.state, self.attributes, self.available, self.rows = id, "unknown", {}, {}, []

    def configure(self, config, device):
        self.config, self.device = config, device
        self.write()

    def receive(self, topic, payload):
        config = self.config
        for entry in config.get("availability", []):
            if entry["topic"] == topic:
                said = rendered(self, entry["value_template"], payload)
                if said in ("online", "offline"):
                    self.available[topic] = said == "online"
        if config.get("json_attributes_topic") == topic:
            said = rendered(self, config.get("json_attributes_template", "{{ value }}"), payload)
            try:
                self.attributes = {key: value for key, value in json.loads(said).items() if key != "state"}
            except (AttributeError, TypeError, ValueError):
                faults.append(f"{self.id}: attributes are {said!r}")
        if config.get("state_topic") == topic:
            said = rendered(self, config["value_template"], payload)
            if config["platform"] == "binary_sensor":
                if said not in ("ON", "OFF", "None", ""):
                    faults.append(f"{self.id}: {said!r} is no state")
                elif said:
                    self.state = {"ON": "on", "OFF": "off", "None": "unknown"}[said]
            elif said == "None":
                self.state = "unknown"
            elif said != "" or "state_class" not in config:
                self.state = said
                if "state_class" in config and not str(said).isdigit():
                    faults.append(f"{self.id}: {said!r} is no number")
        self.write()

    def write(self):
        needs = [entry["topic"] for entry in self.config.get("availability", [])]
        there = all(self.available.get(topic) for topic in needs)
        row = [self.state, self.attributes] if there else ["unavailable", {}]
        if not self.rows or self.rows[-1] != row:
            self.rows.append(json.loads(json.dumps(row)))


shown, gone, seen = {}, {}, {}


def discover(payload):
    if not payload:
        gone.update(shown)
        shown.clear()
        return
    message = json.loads(payload)
    check("device", schema["device"], message)
    # What validate_device_discovery_components says of ids.
    parts = [(message["device"], message["components"])]
    parts += [(child, child["components"]) for child in message.get("child_devices", [])]
    ids = [id for _, components in parts for id in components]
    identifiers = [name for device, _ in parts for name in device["identifiers"]]
    for names in (ids, identifiers):
        faults.extend(f"{name} stands twice" for name in {name for name in names if names.count(name) > 1})
    for device, components in parts:
        for id, config in components.items():
            if config.keys() == {"platform"}:
                if id in shown:
                    gone[id] = shown.pop(id)
                continue
            options = {key: message[key] for key in schema["shared"] if key in message} | config
            platform = options.pop("platform")
            check(id, schema["platforms"][platform], options)
            entity = shown.get(id) or seen.setdefault(id, Entity(id))
            gone.pop(id, None)
            # An attribute template that is left out stays as it was.
            before = getattr(entity, "config", {}).get("json_attributes_template")
            config = {"json_attributes_template": before} | config if before else config
            entity.configure(config, device["name"])
            shown[id] = entity


for line in pathlib.Path(sys.argv[2]).read_text().splitlines():
    said = json.loads(line)
    if said["topic"].endswith("/config"):
        discover(said["payload"])
        continue
    for entity in list(shown.values()):
        entity.receive(said["topic"], said["payload"])

devices = {}
for entity in shown.values():
    devices.setdefault(entity.device, []).append(entity.config["name"])
rows = {entity.config["unique_id"]: entity.rows for entity in seen.values()}
print(json.dumps({"faults": faults, "devices": devices, "rows": rows, "gone": sorted(gone)}))
