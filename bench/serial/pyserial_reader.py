"""The row `pyserial`: everything that is there in one read, cut at the newlines, each line through json."""
import json
import resource
import sys
import time

import serial


def cpu_ms():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return (used.ru_utime + used.ru_stime) * 1000


given = json.loads(sys.argv[1])
warm_up, lines = given["warmUp"], given["lines"]
port = serial.Serial(given["path"], 115200)
print("ready", flush=True)
count = total = 0
started = used = 0.0
rest = b""
while count < warm_up + lines:
    rest += port.read(port.in_waiting or 1)
    *whole, rest = rest.split(b"\n")
    for line in whole:
        number = json.loads(line)["n"]
        count += 1
        if count > warm_up:
            total += number
        if count == warm_up:
            started, used = time.monotonic(), cpu_ms()
        if count == warm_up + lines:
            break
print(json.dumps({"seconds": time.monotonic() - started, "cpuMs": cpu_ms() - used, "sum": total}))
