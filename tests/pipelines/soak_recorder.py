#!/usr/bin/python3
"""A recorder that runs the pipeline of its argument, says what is posted, and obeys `stats`, `end` and `quit`."""
import json
import sys
import threading

from inside import Gst, counters


def obey(pipeline):
    for line in sys.stdin:
        if line.strip() == "stats":
            print(json.dumps({name: counters(pipeline.get_by_name(name)) for name in ("voice", "decrypt")}), flush=True)
        elif line.strip() == "end":
            pipeline.send_event(Gst.Event.new_eos())
        else:
            break
    pipeline.get_bus().post(Gst.Message.new_application(pipeline, Gst.Structure.new_empty("quit")))


recording = Gst.parse_launch(sys.argv[1])
recording.set_state(Gst.State.PLAYING)
threading.Thread(target=obey, args=(recording,), daemon=True).start()
while True:
    message = recording.get_bus().timed_pop(Gst.CLOCK_TIME_NONE)
    if message.type == Gst.MessageType.ELEMENT:
        print(message.get_structure().get_name(), flush=True)
    elif message.type == Gst.MessageType.EOS:
        print("end", flush=True)
    elif message.type == Gst.MessageType.ERROR:
        sys.exit(f"{message.parse_error()}")
    elif message.type == Gst.MessageType.APPLICATION:
        break
recording.set_state(Gst.State.NULL)
