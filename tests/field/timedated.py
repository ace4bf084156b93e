"""The property NTPSynchronized of org.freedesktop.timedate1, as systemd-timedated has it: `timedated.py yes` or `no`."""

import sys

from gi.repository import Gio, GLib

NAME = "org.freedesktop.timedate1"
INTERFACE = f"""<node><interface name="{NAME}">
<property name="NTPSynchronized" type="b" access="read"/>
</interface></node>"""

synchronised = GLib.Variant("b", sys.argv[1] == "yes")
bus = Gio.bus_get_sync(Gio.BusType.SYSTEM)
bus.register_object(
    "/org/freedesktop/timedate1",
    Gio.DBusNodeInfo.new_for_xml(INTERFACE).interfaces[0],
    None,
    lambda *_: synchronised,
    None,
)
loop = GLib.MainLoop()
Gio.bus_own_name_on_connection(bus, NAME, Gio.BusNameOwnerFlags.NONE, None, lambda *_: loop.quit())
loop.run()
