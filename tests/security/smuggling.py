"""The corpus: messages of HTTP/1.1 that two servers may read as two different things.

Toward us: a name, what stands behind the Host line, and the bodies that an upstream may see of it. None: it is refused,
the connection ends, and nothing of it reaches the upstream. What follows a message that is read is never a second one.

Toward a client: a name, what an upstream answers, and what the client may see: a status and a body. `BAD` is our 502.
"""

from typing import NamedTuple

EVIL = b"GET /evil HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = "Transfer-Encoding: chunked"
WHOLE = b"5\r\nhello\r\n0\r\n\r\n"


class Sent(NamedTuple):
    name: str
    lines: str  # header lines, separated by the line breaks they have
    body: bytes
    read: bytes | None = None
    start: str = "POST /mcp HTTP/1.1"
    status: int = 200  # of what is read
    closes: bool = True  # False: what is refused has an end that nobody doubts, or has not come to it


REQUESTS = {
    "two framings": [
        Sent("CL.TE", f"Content-Length: 5\r\n{CHUNKED}", b"0\r\n\r\n" + EVIL),
        Sent("TE.CL", f"{CHUNKED}\r\nContent-Length: 5", b"0\r\n\r\n" + EVIL),
        Sent("CL 0 and TE", f"Content-Length: 0\r\n{CHUNKED}", WHOLE),
        Sent("CL twice, alike", "Content-Length: 5\r\nContent-Length: 5", b"hello"),
        Sent("CL twice, not alike", "Content-Length: 5\r\nContent-Length: 6", b"hello!"),
        Sent("CL in another case, twice", "Content-Length: 5\r\ncontent-length: 6", b"hello!"),
        Sent("CL as a list", "Content-Length: 5, 5", b"hello"),
        Sent("CL as a list without blanks", "Content-Length: 5,5", b"hello"),
        Sent("CL with an underscore beside it", "Content-Length: 5\r\nContent_Length: 9", b"hello", b"hello"),
        Sent("TE with an underscore", "Transfer_Encoding: chunked\r\nContent-Length: 5, 5", b"hello"),
        Sent("Connection names the framing", "Connection: content-length\r\nContent-Length: 5", b"hello", b"hello"),
        Sent("Connection names the coding", f"Connection: transfer-encoding\r\n{CHUNKED}", WHOLE, b"hello"),
        Sent("a GET with a body", "Content-Length: 5", b"hello", start="GET /mcp HTTP/1.1", closes=False),
        Sent("a GET with chunks", CHUNKED, WHOLE, start="GET /mcp HTTP/1.1"),
        Sent("a DELETE with a body", "Content-Length: 5", b"hello", start="DELETE /mcp HTTP/1.1", closes=False),
    ],
    "Content-Length": [
        Sent("as it should be", "Content-Length: 5", b"hello", b"hello"),
        Sent("zeros before it", "Content-Length: 0005", b"hello", b"hello"),
        Sent("blanks around it", "Content-Length: \t 5 \t", b"hello", b"hello"),
        Sent("no blank", "Content-Length:5", b"hello", b"hello"),
        Sent("plus", "Content-Length: +5", b"hello"),
        Sent("minus", "Content-Length: -5", b"hello"),
        Sent("two numbers", "Content-Length: 5 5", b"hello"),
        Sent("hexadecimal", "Content-Length: 0x5", b"hello"),
        Sent("an underscore", "Content-Length: 1_0", b"hellohello"),
        Sent("a fraction", "Content-Length: 5.0", b"hello"),
        Sent("other digits", "Content-Length: \xb2", b"he"),
        Sent("quoted", 'Content-Length: "5"', b"hello"),
        Sent("nothing", "Content-Length: ", b""),
        Sent("beyond 64 bits", "Content-Length: 18446744073709551621", b"hello"),
        Sent("far beyond", "Content-Length: 99999999999999999999999", b"x"),
        Sent("a blank before the colon", "Content-Length : 5", b"hello"),
        Sent("a vertical tab", "Content-Length:\x0b5", b"hello"),
        Sent("folded", "Content-Length:\r\n 5", b"hello"),
    ],
    "Transfer-Encoding": [
        Sent("as it should be", CHUNKED, WHOLE, b"hello"),
        Sent("no blank", "Transfer-Encoding:chunked", WHOLE, b"hello"),
        Sent("the name in capitals", "TRANSFER-ENCODING: chunked", WHOLE, b"hello"),
        Sent("the value in capitals", "Transfer-Encoding: CHUNKED", WHOLE),
        Sent("twice", f"{CHUNKED}\r\n{CHUNKED}", WHOLE),
        Sent("twice in one", "Transfer-Encoding: chunked, chunked", WHOLE),
        Sent("and identity", f"{CHUNKED}\r\nTransfer-Encoding: identity", b"0\r\n\r\n"),
        Sent("identity", "Transfer-Encoding: identity\r\nContent-Length: 5", b"hello"),
        Sent("identity behind it", "Transfer-Encoding: chunked, identity", b"0\r\n\r\n"),
        Sent("gzip before it", "Transfer-Encoding: gzip, chunked", b"0\r\n\r\n"),
        Sent("an unknown one", "Transfer-Encoding: xchunked", b"0\r\n\r\n"),
        Sent("a parameter", "Transfer-Encoding: chunked;q=1", WHOLE),
        Sent("a comma before it", "Transfer-Encoding: , chunked", WHOLE),
        Sent("quoted", 'Transfer-Encoding: "chunked"', WHOLE),
        Sent("nothing", "Transfer-Encoding: ", WHOLE),
        Sent("a vertical tab", "Transfer-Encoding:\x0bchunked", b"0\r\n\r\n"),
        Sent("a NUL", "Transfer-Encoding: chunked\x00", WHOLE),
        Sent("a blank before the colon", "Transfer-Encoding : chunked", WHOLE),
        Sent("a tab before the colon", "Transfer-Encoding\t: chunked", WHOLE),
        Sent("a blank before the name", " Transfer-Encoding: chunked", WHOLE),
        Sent("folded", "Transfer-Encoding:\r\n chunked", WHOLE),
        Sent("in HTTP/1.0", CHUNKED, WHOLE, start="POST /mcp HTTP/1.0"),
    ],
    "chunks": [
        Sent("several", CHUNKED, b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", b"hello"),
        Sent("zeros and capitals", CHUNKED, b"00A\r\nhellohello\r\n000\r\n\r\n", b"hellohello"),
        Sent("an extension", CHUNKED, b'5;a="b"\r\nhello\r\n0;c\r\n\r\n', b"hello"),
        Sent("a trailer", CHUNKED, b"5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n", b"hello"),
        Sent("a trailer that frames", CHUNKED, b"5\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n" + EVIL),
        Sent("a trailer that signs in", CHUNKED, b"5\r\nhello\r\n0\r\nAuthorization: x\r\n\r\n", b"hello"),
        Sent("0x", CHUNKED, b"0x5\r\nhello\r\n0\r\n\r\n"),
        Sent("minus", CHUNKED, b"-5\r\nhello\r\n0\r\n\r\n"),
        Sent("plus", CHUNKED, b"+5\r\nhello\r\n0\r\n\r\n"),
        Sent("an underscore", CHUNKED, b"0_5\r\nhello\r\n0\r\n\r\n"),
        Sent("a blank before the size", CHUNKED, b" 5\r\nhello\r\n0\r\n\r\n"),
        Sent("no size", CHUNKED, b"\r\nhello\r\n0\r\n\r\n"),
        Sent("no size but an extension", CHUNKED, b";a\r\nhello\r\n0\r\n\r\n"),
        Sent("longer than it says", CHUNKED, b"2\r\nhello\r\n0\r\n\r\n"),
        Sent("shorter than it says", CHUNKED, b"6\r\nhello\r\n0\r\n\r\n"),
        Sent("beyond 64 bits", CHUNKED, b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
        Sent("beyond the limit", CHUNKED, b"ffffffffffffff\r\nhello", closes=False),
        Sent("far beyond", CHUNKED, b"ffffffffffffffffff\r\nx"),
        Sent("LF behind the size", CHUNKED, b"5\nhello\r\n0\r\n\r\n"),
        Sent("LF behind the data", CHUNKED, b"5\r\nhello\n0\r\n\r\n"),
        Sent("LF everywhere", CHUNKED, b"5\nhello\n0\n\n"),
        Sent("LF in an extension", CHUNKED, b"5;a\nhello\r\n0\r\n\r\n"),
        Sent("CR in an extension", CHUNKED, b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
        Sent("CR behind the size", CHUNKED, b"5\rhello\r\n0\r\n\r\n"),
        Sent("LF behind the last", CHUNKED, b"5\r\nhello\r\n0\n\n"),
        Sent("nothing between two", CHUNKED, b"5\r\nhello5\r\nhello\r\n0\r\n\r\n"),
        Sent("a NUL behind the size", CHUNKED, b"5\x00\r\nhello\r\n0\r\n\r\n"),
    ],
    "header lines": [
        Sent("LF alone", "X: a\nContent-Length: 5", b"hello"),
        Sent("LF alone and a framing in it", f"X: a\n{CHUNKED}\r\nContent-Length: 5", b"hello"),
        Sent("CR alone", "X: a\rContent-Length: 5\r\nY: b", b""),
        Sent("CR in a value", "X: a\rb\r\nContent-Length: 5", b"hello"),
        Sent("NUL in a value", "X: a\x00b\r\nContent-Length: 5", b"hello"),
        Sent("NUL in a name", "X\x00: a\r\nContent-Length: 5", b"hello"),
        Sent("folded", "X: a\r\n folded: b\r\nContent-Length: 5", b"hello"),
        Sent("folded with a tab", "X: a\r\n\tb\r\nContent-Length: 5", b"hello"),
        Sent("no name", ": empty\r\nContent-Length: 5", b"hello"),
        Sent("no colon", "nonsense\r\nContent-Length: 5", b"hello"),
        Sent("beyond ASCII", "X\xe9: a\r\nContent-Length: 5", b"hello"),
        Sent("a blank in a name", "X Y: a\r\nContent-Length: 5", b"hello"),
        Sent("a blank before the first", " X: a\r\nContent-Length: 5", b"hello"),
        Sent("a second Host", "Host: other\r\nContent-Length: 5", b"hello"),
        Sent("control characters", "X: a\x01b\r\nContent-Length: 5", b"hello"),
    ],
    "request lines": [
        Sent("an empty line first", "Content-Length: 5", b"hello", b"hello", start="\r\nPOST /mcp HTTP/1.1"),
        Sent("HTTP/0.9", "Content-Length: 5", b"hello", start="POST /mcp"),
        Sent("HTTP/1.0", "Content-Length: 5", b"hello", start="POST /mcp HTTP/1.0"),
        Sent("HTTP/1.2", "Content-Length: 5", b"hello", start="POST /mcp HTTP/1.2"),
        Sent("HTTP/2.0", "Content-Length: 5", b"hello", start="POST /mcp HTTP/2.0"),
        Sent("HTTP/1.10", "Content-Length: 5", b"hello", start="POST /mcp HTTP/1.10"),
        Sent("http", "Content-Length: 5", b"hello", start="POST /mcp http/1.1"),
        Sent("the preface of HTTP/2", "", b"SM\r\n\r\n", start="PRI * HTTP/2.0"),
        Sent("two blanks", "Content-Length: 5", b"hello", b"hello", start="POST  /mcp HTTP/1.1"),
        Sent("a blank at the end", "Content-Length: 5", b"hello", start="POST /mcp HTTP/1.1 "),
        Sent("a tab", "Content-Length: 5", b"hello", start="POST\t/mcp HTTP/1.1"),
        Sent("a blank in the path", "Content-Length: 5", b"hello", start="POST /mcp /x HTTP/1.1"),
        Sent("a NUL in the path", "Content-Length: 5", b"hello", start="POST /mcp\x00 HTTP/1.1"),
        Sent("CR in the path", "Content-Length: 5", b"hello", start="POST /mcp\rX HTTP/1.1"),
        Sent("a fragment", "Content-Length: 5", b"hello", start="POST /mcp#x HTTP/1.1"),
        Sent("an unknown method", "Content-Length: 5", b"hello", start="SMUGGLE /mcp HTTP/1.1"),
        Sent("a method in small letters", "Content-Length: 5", b"hello", start="post /mcp HTTP/1.1"),
        Sent("absolute form", "Content-Length: 5", b"hello", start="POST http://x/mcp HTTP/1.1"),
        Sent("absolute form of our own", "Content-Length: 5", b"hello", start="POST http://127.0.0.1/mcp HTTP/1.1"),
        Sent("authority form", "", b"", start="CONNECT 127.0.0.1:9 HTTP/1.1"),
        Sent("asterisk form", "", b"", start="OPTIONS * HTTP/1.1"),
    ],
    "what follows": [
        Sent("a second request", "Content-Length: 5", b"hello" + EVIL, b"hello"),
        Sent("half a request", "Content-Length: 5", b"helloGET /ev", b"hello"),
        Sent("more than the length", "Content-Length: 5", b"hello, world", b"hello"),
        Sent("behind the chunks", CHUNKED, WHOLE + EVIL, b"hello"),
        Sent("behind the chunks, no request", CHUNKED, WHOLE + b"garbage", b"hello"),
        Sent("h2c", "Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 5", b"hello" + EVIL, b"hello"),
        Sent("websocket", "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5", b"hello", b"hello"),
        Sent("close, and more", "Connection: close\r\nContent-Length: 5", b"hello" + EVIL, b"hello", status=400),
    ],
}


class Answered(NamedTuple):
    name: str
    head: str
    body: bytes
    seen: tuple[int, bytes] | None  # None: our 502, or an answer that breaks off
    or_bad: bool = False  # what stands behind it may have come with it


OK = "HTTP/1.1 200 OK"

ANSWERS = [
    Answered("a length", f"{OK}\r\nContent-Length: 5", b"hello", (200, b"hello")),
    Answered("chunks", f"{OK}\r\n{CHUNKED}", WHOLE, (200, b"hello")),
    Answered("until the end", OK, b"hello", (200, b"hello")),
    Answered("HTTP/1.0", "HTTP/1.0 200 OK", b"hello", (200, b"hello")),
    Answered("HTTP/1.0 with a length", "HTTP/1.0 200 OK\r\nContent-Length: 5", b"hello", (200, b"hello")),
    Answered("no reason", "HTTP/1.1 200 \r\nContent-Length: 5", b"hello", (200, b"hello")),
    Answered("an extension", f"{OK}\r\n{CHUNKED}", b"5;a=b\r\nhello\r\n0\r\n\r\n", (200, b"hello")),
    Answered("a trailer", f"{OK}\r\n{CHUNKED}", b"5\r\nhello\r\n0\r\nSet-Cookie: a=b\r\n\r\n", (200, b"hello")),
    Answered("more than the length", f"{OK}\r\nContent-Length: 5", b"hello, world", (200, b"hello"), True),
    Answered(
        "an answer behind it", f"{OK}\r\nContent-Length: 5", b"helloHTTP/1.1 200 X\r\n\r\n", (200, b"hello"), True
    ),
    Answered("100 first", f"HTTP/1.1 100 Continue\r\n\r\n{OK}\r\nContent-Length: 5", b"hello", (200, b"hello")),
    Answered("103 first", f"HTTP/1.1 103 X\r\nLink: y\r\n\r\n{OK}\r\nContent-Length: 5", b"hello", (200, b"hello")),
    Answered("204", "HTTP/1.1 204 No Content", b"", (204, b"")),
    Answered("204 with a length and a body", "HTTP/1.1 204 X\r\nContent-Length: 5", b"hello", (204, b""), True),
    Answered("101", "HTTP/1.1 101 X\r\nUpgrade: h2c\r\nConnection: upgrade", b"hello", None),
    Answered("304", "HTTP/1.1 304 X\r\nContent-Length: 5", b"", None),
    Answered("CL and TE", f"{OK}\r\nContent-Length: 5\r\n{CHUNKED}", b"0\r\n\r\n", None),
    Answered("TE and CL", f"{OK}\r\n{CHUNKED}\r\nContent-Length: 5", b"0\r\n\r\n", None),
    Answered("CL twice, alike", f"{OK}\r\nContent-Length: 5\r\nContent-Length: 5", b"hello", None),
    Answered("CL twice, not alike", f"{OK}\r\nContent-Length: 5\r\nContent-Length: 6", b"hello!", None),
    Answered("CL as a list", f"{OK}\r\nContent-Length: 5, 5", b"hello", None),
    Answered("CL minus", f"{OK}\r\nContent-Length: -5", b"hello", None),
    Answered("CL plus", f"{OK}\r\nContent-Length: +5", b"hello", None),
    Answered("CL nothing", f"{OK}\r\nContent-Length:", b"hello", None),
    Answered("CL beyond 64 bits", f"{OK}\r\nContent-Length: 18446744073709551621", b"hello", None),
    Answered("gzip", f"{OK}\r\nTransfer-Encoding: gzip, chunked", WHOLE, None),
    Answered("chunked twice", f"{OK}\r\n{CHUNKED}\r\n{CHUNKED}", WHOLE, None),
    Answered("identity", f"{OK}\r\nTransfer-Encoding: identity\r\nContent-Length: 5", b"hello", None),
    Answered("chunked in HTTP/1.0", f"HTTP/1.0 200 OK\r\n{CHUNKED}", WHOLE, None),
    Answered("a shorter body", f"{OK}\r\nContent-Length: 9", b"hello", None),
    Answered("no last chunk", f"{OK}\r\n{CHUNKED}", b"5\r\nhello\r\n", None),
    Answered("a chunk too long", f"{OK}\r\n{CHUNKED}", b"10000000000000005\r\nhello\r\n0\r\n\r\n", None),
    Answered("a chunk with LF", f"{OK}\r\n{CHUNKED}", b"5\nhello\r\n0\r\n\r\n", None),
    Answered("a chunk that is longer", f"{OK}\r\n{CHUNKED}", b"2\r\nhello\r\n0\r\n\r\n", None),
    Answered("LF alone", "HTTP/1.1 200 OK\nContent-Length: 5", b"hello", None),
    Answered("LF alone between lines", f"{OK}\r\nX: a\nContent-Length: 5", b"hello", None),
    Answered("folded", f"{OK}\r\nX: a\r\n b\r\nContent-Length: 5", b"hello", None),
    Answered("NUL in a value", f"{OK}\r\nX: a\x00\r\nContent-Length: 5", b"hello", None),
    Answered("a blank before the colon", f"{OK}\r\nContent-Length : 5", b"hello", None),
    Answered("no colon", f"{OK}\r\nnonsense\r\nContent-Length: 5", b"hello", None),
    Answered("HTTP/2", "HTTP/2 200\r\nContent-Length: 5", b"hello", None),
    Answered("HTTP/1.2", "HTTP/1.2 200 OK\r\nContent-Length: 5", b"hello", None),
    Answered("another protocol", "ICY 200 OK\r\nContent-Length: 5", b"hello", None),
    Answered("two digits", "HTTP/1.1 20 OK\r\nContent-Length: 5", b"hello", None),
    Answered("four digits", "HTTP/1.1 2000 OK\r\nContent-Length: 5", b"hello", None),
    Answered("not a number", "HTTP/1.1 2x0 OK\r\nContent-Length: 5", b"hello", None),
    Answered("a request", "GET /evil HTTP/1.1\r\nHost: x", b"", None),
    Answered("HTTP/0.9", "hello", b"", None),
]
