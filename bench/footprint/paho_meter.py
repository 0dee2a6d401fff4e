"""The row `Paho Python`: the few lines an integrator writes first. Each line of the meter becomes a message, with a will."""
import json
import sys
import time

import paho.mqtt.client as mqtt
import serial

given = json.loads(sys.argv[1])
root = given["root"]
client = mqtt.Client(client_id=given["device"], protocol=mqtt.MQTTv311)
client.tls_set(given["ca"], given["cert"], given["key"])
client.will_set(root + "/up/status", json.dumps({"state": "offline"}), qos=1, retain=True)


def connected(_client, _userdata, _flags, _reason):
    client.publish(root + "/up/status", json.dumps({"state": "online"}), qos=1, retain=True)


client.on_connect = connected
client.connect("127.0.0.1", given["port"])
client.loop_start()
port = serial.Serial(given["path"], 115200)
while True:
    line = json.loads(port.readline())
    reading = [["temp", line["t"], "Cel", 0]]
    client.publish(root + "/up/telemetry/pump", json.dumps({"time": time.time(), "readings": reading}))
