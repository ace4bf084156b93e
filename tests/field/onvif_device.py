"""A device that answers ONVIF's probe, by the package WSDiscovery. It ends with the test."""

import time

from wsdiscovery import QName, Scope
from wsdiscovery.publishing import ThreadedWSPublishing

ONVIF = "onvif://www.onvif.org/"
device = ThreadedWSPublishing()
device.start()
device.publishService(
    types=[QName("http://www.onvif.org/ver10/network/wsdl", "NetworkVideoTransmitter")],
    scopes=[Scope(ONVIF + "name/Gate%20Cam"), Scope(ONVIF + "hardware/HW-1"), Scope(ONVIF + "location/yard")],
    xAddrs=["http://192.0.2.9:8000/onvif/device_service"],
)
print("ready", flush=True)
time.sleep(300)
