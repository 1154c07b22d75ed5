"""Names as bad as people on the network can make them; all of them valid Unicode, as JSON brings them."""
import random

KNOWN = [
    "../../../etc/passwd", "..", "CON", "-rf", ".hidden", "a/b\\c:d", "%u%n%s", "</script><script>window.hacked=1</script>",
    "<img src=x onerror='window.hacked=1'>", "</bdi></h2><b onclick=\"window.hacked=1\">", "\"double\" 'single' `back`",
    "line\nfeed\r\ntab\t", "a --> b & &amp; &#10;", "=1+1,\"x\"", ">\n  <TRACK\n    NAME evil", " spaces  kept ",
    "\u202edesrever \u2028 \U0001F98A", "\x01\x1f\x7f control", "x" * 2000, "javascript:window.hacked=1",
]
PIECES = ["/", "..", "\\", "%u", "\n", "\r\n", "\t", "\"", "'", "`", "<", ">", "</", "<script>", "-->", "&amp;", "&", ";", "|",
          "$(x)", "=1", ",", "{", "}", " ", "-", ".", "\u202e", "\u200b", "\u2028", "\U0001F98A", "e\u0301", "\ufffd", "a", "Z", "9"]


def names(count):
    rng = random.Random(11)
    made = ["".join(rng.choices(PIECES, k=rng.randint(1, 12))) for _ in range(count - len(KNOWN))]
    return (KNOWN + made)[:count]
