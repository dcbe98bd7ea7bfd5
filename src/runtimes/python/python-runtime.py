"""The managed Python runtime: the first process of a container for python3.11 and newer.

It starts `blank`, before anyone knows which function it will serve, and does all work that does not depend on the
function. `init` makes it the runtime of one function for good; it then runs invocations until the agent closes the
channel, or the function ends it. The messages are those of src/protocol/runtime-protocol.ts, over file descriptor 3.
What handlers, callers and logs get is what AWS's runtime interface client for Python gives them.

Only the standard library is there. The function's own code runs in this process: what it may replace (sys.stdout,
os.environ, the root logger's handlers) is looked up once.
"""

import atexit
import decimal
import functools
import gc
import importlib
import io
import json
import logging
import math
import os
import re
import signal
import site
import socket
import struct
import subprocess
import sys
import threading
import time
import traceback

AGENT_FD = 3
STDOUT_FD = 1
EXIT_INIT_ERROR = 1
EXIT_PROTOCOL_VIOLATION = 70
# As a shell says it.
EXIT_NOT_FOUND = 127
EXIT_NOT_EXECUTABLE = 126

# ── Frames ────────────────────────────────────────────────────────────────────────────────────

# As in src/protocol/frame.ts: bytes that follow, bytes of the header (both u32 LE), the header as JSON, the payload.
_LENGTHS = struct.Struct("<II")
_LENGTH_BYTES = 4
FRAME_BYTES_MAX = 8 * 1024 * 1024
_INPUT_BYTES = 64 * 1024


def encode_frame(header, payload=b""):
    """One frame, ready to be written. Both are bytes; the header is JSON."""
    return b"".join((_LENGTHS.pack(_LENGTH_BYTES + len(header) + len(payload), len(header)), header, payload))


class FrameReader:
    """Cuts what comes out of a socket into frames."""

    def __init__(self, connection):
        self._receive_into = connection.recv_into
        self._buffer = bytearray(_INPUT_BYTES)
        self._filled = 0

    def next(self):
        """The next header, parsed, and payload (a buffer of bytes); None at the end. Raises ValueError when the bytes are no frame."""
        if not self._fill(2 * _LENGTH_BYTES):
            return None
        body_bytes, header_bytes = _LENGTHS.unpack_from(self._buffer)
        if not _LENGTH_BYTES <= body_bytes <= FRAME_BYTES_MAX:
            raise ValueError(f"frame of {body_bytes} bytes")
        if header_bytes > body_bytes - _LENGTH_BYTES:
            raise ValueError("frame header beyond the frame")
        end = _LENGTH_BYTES + body_bytes
        frame = self._large(end) if end > _INPUT_BYTES else self._small(end)
        if frame is None:
            return None
        payload_start = 2 * _LENGTH_BYTES + header_bytes
        header = json.loads(str(frame[2 * _LENGTH_BYTES : payload_start], "utf-8"))
        return header, frame[payload_start:]

    def _fill(self, wanted):
        while self._filled < wanted:
            received = self._receive_into(memoryview(self._buffer)[self._filled :])
            if received == 0:
                return False
            self._filled += received
        return True

    def _small(self, end):
        if not self._fill(end):
            return None
        frame = bytes(memoryview(self._buffer)[:end])
        rest = self._filled - end
        if rest > 0:
            self._buffer[:rest] = self._buffer[end : self._filled]
        self._filled = rest
        return frame

    def _large(self, end):
        """Put together in one buffer of its size, which lives as long as the payload is looked at."""
        frame = bytearray(end)
        filled = self._filled
        frame[:filled] = self._buffer[:filled]
        self._filled = 0
        view = memoryview(frame)
        while filled < end:
            received = self._receive_into(view[filled:])
            if received == 0:
                return None
            filled += received
        return view


class Channel:
    """The runtime's end of the socket to the agent. Any thread may send."""

    def __init__(self, connection):
        # Held, so that what is said while the interpreter ends still finds it open.
        self._connection = connection
        self._fd = connection.fileno()
        self._lock = threading.RLock()
        self._is_sending = False
        self._late = []

    def send(self, header, payload=b""):
        """Leaves at once and whole: what was logged before an endless loop or a crash is there."""
        frame = encode_frame(header, payload)
        with self._lock:
            if self._is_sending:
                # A signal handler that prints, in the middle of a frame of the same thread.
                self._late.append(frame)
                return
            self._is_sending = True
            try:
                self._write(frame)
                while self._late:
                    self._write(self._late.pop(0))
            finally:
                self._is_sending = False

    def _write(self, frame):
        written = os.write(self._fd, frame)
        while written < len(frame):
            written += os.write(self._fd, memoryview(frame)[written:])


# ── Log ───────────────────────────────────────────────────────────────────────────────────────

_LINES_HEADER = b'{"kind":"log"}'
_MESSAGE_HEADER = b'{"kind":"logMessage"}'
# Longer texts leave in several frames; Lambda's largest log event is 256 KiB.
_LOG_FRAME_BYTES_MAX = 240 * 1024
# A line without an end leaves in pieces of this size.
_PARTIAL_LINE_BYTES_MAX = 64 * 1024


class LogOutput:
    """
    Everything that the function writes through Python, in order, as whole lines. AWS's runtime frames what is logged and
    nothing else: what is printed is an event for each line, there too.
    """

    def __init__(self, channel):
        self._send = channel.send
        self._lock = threading.RLock()
        self._partial = b""
        self._is_mid_line = False

    def write(self, text):
        """A piece of a stream, in bytes."""
        with self._lock:
            end = text.rfind(b"\n") + 1
            if end > 0:
                whole, self._partial = self._partial + text[:end], text[end:]
                self._append(whole)
            else:
                self._partial += text
            if len(self._partial) > _PARTIAL_LINE_BYTES_MAX:
                piece, self._partial = self._partial, b""
                self._append(piece)

    def event(self, text):
        """One log event, whatever lines it has."""
        with self._lock:
            self.end_line()
            if not text.endswith("\n"):
                text += "\n"
            self._append(text.encode("utf-8", "backslashreplace"), _MESSAGE_HEADER)

    def end_line(self):
        if self._partial or self._is_mid_line:
            with self._lock:
                line, self._partial = self._partial + b"\n", b""
                self._append(line)

    def leave_in_child(self):
        """In a forked process the channel is the parent's alone: what the child prints goes where its children's output goes."""
        self._lock = threading.RLock()
        self._partial = b""
        self._is_mid_line = False
        self._send = lambda _header, payload: os.write(STDOUT_FD, payload)

    def _append(self, text, header=_LINES_HEADER):
        self._is_mid_line = text[-1] != 0x0A
        start = 0
        while start < len(text):
            end = min(len(text), start + _LOG_FRAME_BYTES_MAX)
            while end < len(text) and end > start + 1 and text[end] & 0xC0 == 0x80:
                end -= 1
            # A piece of a message that ended with a line would end the message.
            if start + 1 < end < len(text) and text[end - 1] == 0x0A:
                end -= 1
            self._send(header, text[start:end])
            start = end


class _LogStream(io.RawIOBase):
    """What stands behind sys.stdout and sys.stderr. Programs that are given it to write to get the file descriptor."""

    def __init__(self, output, fd):
        super().__init__()
        self._output = output
        self._fd = fd
        self.name = "<stdout>" if fd == STDOUT_FD else "<stderr>"
        self.mode = "wb"

    def writable(self):
        return True

    def fileno(self):
        return self._fd

    def write(self, data):
        text = bytes(data)
        self._output.write(text)
        return len(text)


def capture_streams(output):
    for name, fd in (("stdout", STDOUT_FD), ("stderr", 2)):
        raw = _LogStream(output, fd)
        errors = "strict" if name == "stdout" else "backslashreplace"
        stream = io.TextIOWrapper(raw, encoding="utf-8", errors=errors, write_through=True)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


class LambdaLoggerHandler(logging.Handler):
    """The root logger's handler, which functions and libraries expect to find."""

    def __init__(self, log_sink):
        super().__init__()
        self.log_sink = log_sink

    def emit(self, record):
        self.log_sink.event(self.format(record))


class LambdaLoggerFilter(logging.Filter):
    def __init__(self):
        super().__init__()
        self.request_id = ""

    def filter(self, record):
        record.aws_request_id = self.request_id
        return True


_TEXT_FORMAT = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n"
_TIME_FORMAT = "%Y-%m-%dT%H:%M:%S"
# Of a record; whatever else it carries was given by the function as `extra`.
_RECORD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "aws_request_id", "tenant_id"}
_encode_log = json.JSONEncoder(ensure_ascii=False, default=str).encode


class JsonFormatter(logging.Formatter):
    """One object per record, with the members that AWS's has."""

    def format(self, record):
        error = record.exc_info or None
        line = {
            "timestamp": f"{time.strftime(_TIME_FORMAT, time.gmtime(record.created))}.{int(record.msecs):03d}Z",
            "level": logging.getLevelName(min(50, max(0, record.levelno)) // 10 * 10),
            "message": record.getMessage(),
            "logger": record.name,
            "stackTrace": error and traceback.format_tb(error[2]),
            "errorType": error and getattr(error[0], "__name__", None),
            "errorMessage": error and str(error[1]),
            "requestId": getattr(record, "aws_request_id", None),
            "location": error and f"{record.pathname}:{record.funcName}:{record.lineno}",
            "tenantId": getattr(record, "tenant_id", None),
        }
        for name, value in vars(record).items():
            if name not in _RECORD_FIELDS and name not in line:
                line[name] = value
        return _encode_log({name: value for name, value in line.items() if value is not None})


class FunctionLogging:
    """Lambda's logging settings for the function, and how its failures are told."""

    def __init__(self, output):
        self._output = output
        self._filter = LambdaLoggerFilter()
        self._is_json = False

    def set_up(self, environment):
        self._is_json = environment.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"
        level = environment.get("AWS_LAMBDA_LOG_LEVEL", "").upper()
        level = "DEBUG" if level == "TRACE" else level
        logging.Formatter.converter = time.gmtime
        handler = LambdaLoggerHandler(self._output)
        handler.setFormatter(JsonFormatter() if self._is_json else logging.Formatter(_TEXT_FORMAT, _TIME_FORMAT))
        handler.addFilter(self._filter)
        root = logging.getLogger()
        if level in logging.getLevelNamesMapping():
            root.setLevel(level)
        root.addHandler(handler)

    def begin(self, request_id):
        self._filter.request_id = request_id

    def failure(self, error):
        if self._is_json:
            timestamp = time.strftime(f"{_TIME_FORMAT}Z", time.gmtime())
            self._output.event(_encode_log({"timestamp": timestamp, "log_level": "ERROR", **error}))
            return
        described = ": ".join(text for text in (error["errorType"], error["errorMessage"]) if text)
        lines = [f"[ERROR] {described}", "Traceback (most recent call last):"]
        for element in error["stackTrace"]:
            lines += [_indent_visibly(line) for line in element.splitlines()]
        self._output.event("\n".join(lines))


def _indent_visibly(line):
    """Lambda's log keeps indentation as no-break spaces."""
    text = line.lstrip(" ")
    return "\u00a0" * (len(line) - len(text)) + text


# ── Errors ────────────────────────────────────────────────────────────────────────────────────


class Fault(Exception):
    """A failure of Lambda's own making, known to callers by its type."""

    def __init__(self, error_type, message, trace=()):
        super().__init__(message)
        self.error_type = error_type
        self.message = message
        self.trace = list(trace)


def describe_error(error, request_id):
    """What callers get, in the form of AWS's runtime. Never raises, also when the error's own methods do."""
    if isinstance(error, Fault):
        error_type, message, trace = error.error_type, error.message, error.trace
    else:
        error_type, message, trace = type(error).__name__, _text_of(error), _trace_of(error)
    return {"errorMessage": message, "errorType": error_type, "requestId": request_id, "stackTrace": trace}


def _text_of(error):
    try:
        return str(error)
    except Exception:
        return ""


def _trace_of(error):
    """The function's frames: those before it are of this file."""
    try:
        frames = [(f.filename, f.lineno, f.name, f.line) for f in traceback.extract_tb(error.__traceback__)]
        first = next((i for i, frame in enumerate(frames) if frame[0] != __file__), len(frames))
        return traceback.format_list(frames[first:])
    except Exception:
        return []


# ── JSON ──────────────────────────────────────────────────────────────────────────────────────


def _refuse_constant(name):
    raise ValueError(f"{name} is no JSON")


def _has_named_tuple(value):
    if isinstance(value, dict):
        items = value.values()
    elif isinstance(value, (list, tuple)):
        if _is_named_tuple(value):
            return True
        items = value
    else:
        return False
    for item in items:
        kind = type(item)
        if kind is str or kind is int or kind is float or kind is bool or item is None:
            continue
        if _has_named_tuple(item):
            return True
    return False


def _is_named_tuple(value):
    return isinstance(value, tuple) and callable(getattr(value, "_asdict", None))


def _without_named_tuples(value):
    if isinstance(value, dict):
        return {key: _without_named_tuples(item) for key, item in value.items()}
    if _is_named_tuple(value):
        return _without_named_tuples(value._asdict())
    if isinstance(value, (list, tuple)):
        return [_without_named_tuples(item) for item in value]
    return value


class Marshaller:
    """
    Events in, responses out. AWS's runtime writes JSON with simplejson, which says some things that json refuses or says
    otherwise: decimals are numbers with all their digits, bytes are text, tuples with names are objects. NaN stays NaN.
    """

    def __init__(self, is_ascii):
        # Marks a text that is to be a number; nobody can know it.
        mark = f"number-{os.urandom(16).hex()}:"
        self._mark = mark
        self._marked = re.compile(f'"{mark}([^"]*)"')
        self._has_marks = False
        self._decode = json.JSONDecoder(parse_constant=_refuse_constant).decode
        self._encode = json.JSONEncoder(ensure_ascii=is_ascii, default=self._otherwise).encode

    def event(self, payload):
        """Raises ValueError when it is no JSON."""
        return self._decode(str(payload, "utf-8")) if len(payload) > 0 else {}

    def response(self, value):
        """Bytes are answered as they are. Raises Fault for what cannot become JSON."""
        if isinstance(value, bytes):
            return value
        try:
            return self.encode(value)
        except Exception as error:
            raise Fault("Runtime.MarshalError", f"Unable to marshal response: {_text_of(error)}") from error

    def encode(self, value):
        text = self._encode(self._plain(value))
        if self._has_marks:
            self._has_marks = False
            text = self._marked.sub(r"\1", text)
        return text.encode("utf-8")

    @staticmethod
    def _plain(value):
        try:
            return _without_named_tuples(value) if _has_named_tuple(value) else value
        except RecursionError:
            return value  # The encoder says what is wrong with it.

    def _otherwise(self, value):
        if isinstance(value, bytes):
            return value.decode("utf-8")
        if isinstance(value, decimal.Decimal):
            if value.is_nan():
                return math.nan
            self._has_marks = True
            return f"{self._mark}{value}"
        raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


# ── Context ───────────────────────────────────────────────────────────────────────────────────


class CognitoIdentity:
    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")

    def __init__(self):
        self.cognito_identity_id = None
        self.cognito_identity_pool_id = None

    def __repr__(self):
        return _shown(self)


class Client:
    __slots__ = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")

    def __init__(self, members):
        _take(self, members)

    def __repr__(self):
        return _shown(self)


class ClientContext:
    __slots__ = ("custom", "env", "client")

    def __init__(self, members):
        _take(self, members)
        if self.client is not None:
            self.client = Client(self.client)

    def __repr__(self):
        return _shown(self)


def _take(target, members):
    for name in target.__slots__:
        setattr(target, name, members.get(name))


def _shown(of):
    return f"{type(of).__name__}([{','.join(f'{name}={getattr(of, name)}' for name in of.__slots__)}])"


class FunctionFacts:
    """What every context of a function says alike; read once."""

    def __init__(self, environment):
        self.log_group_name = environment.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = environment.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = environment.get("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = environment.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.function_version = environment.get("AWS_LAMBDA_FUNCTION_VERSION")


class LambdaContext:
    """The second argument of a handler."""

    def __init__(self, facts, order, client_context, log_sink):
        self.aws_request_id = order["requestId"]
        self.log_group_name = facts.log_group_name
        self.log_stream_name = facts.log_stream_name
        self.function_name = facts.function_name
        self.memory_limit_in_mb = facts.memory_limit_in_mb
        self.function_version = facts.function_version
        self.invoked_function_arn = order["invokedArn"]
        self.tenant_id = None
        self.client_context = client_context
        self.identity = CognitoIdentity()
        self._epoch_deadline_time_in_ms = order["deadlineMs"]
        self._log_sink = log_sink

    def get_remaining_time_in_millis(self):
        return max(0, self._epoch_deadline_time_in_ms - int(time.time() * 1000))

    def log(self, msg):
        self._log_sink.event(str(msg))

    def __repr__(self):
        names = (name for name in vars(self) if not name.startswith("_"))
        return f"LambdaContext([{','.join(f'{name}={getattr(self, name)}' for name in names)}])"


def client_context_of(order):
    text = order.get("clientContext")
    if not text:
        return None
    try:
        return ClientContext(json.loads(text))
    except Exception as error:
        message = f"Unable to parse Client Context JSON: {_text_of(error)}"
        raise Fault("Runtime.LambdaContextUnmarshalError", message) from error


# ── Environment ───────────────────────────────────────────────────────────────────────────────

_TRACE_ID = "_X_AMZN_TRACE_ID"


class TraceIdVariable:
    """
    The environment variable that changes with every invocation. It is changed where os.environ looks it up, and given to
    the C library when the function starts a program: the C library keeps every value that was ever set, which would be a
    leak of 200 bytes per invocation.
    """

    def __init__(self):
        self._key = os.environ.encodekey(_TRACE_ID)
        self._data = None

    def install(self):
        """Once, when the function's environment is in place."""
        self._data = os.environ._data
        os.register_at_fork(before=self._publish)
        for module, name in ((subprocess, "_fork_exec"), (os, "system"), (os, "posix_spawn"), (os, "posix_spawnp")):
            if hasattr(module, name):
                setattr(module, name, self._publishing(getattr(module, name)))

    def set(self, trace_id):
        self._data[self._key] = trace_id.encode("utf-8", "surrogateescape")

    def _publishing(self, start_program):
        @functools.wraps(start_program)
        def publish_and_start(*args, **kwargs):
            self._publish()
            return start_program(*args, **kwargs)

        return publish_and_start

    def _publish(self):
        value = self._data.get(self._key)
        if value is not None:
            os.putenv(self._key, value)


def replace_environment(environment):
    """Makes the function's environment the process's own."""
    for name in list(os.environ):
        if name not in environment:
            del os.environ[name]
    time_zone = os.environ.get("TZ")
    for name, value in environment.items():
        if os.environ.get(name) != value:
            os.environ[name] = value
    if os.environ.get("TZ") != time_zone:
        time.tzset()


def set_search_path(environment, task_root):
    """
    The function's own folder first, then layers, as on Lambda; a PYTHONPATH of the function's own stands in the layers'
    place. The folder of this file, which Python put first, goes behind.
    """
    runtime_dir = environment.get("LAMBDA_RUNTIME_DIR", "")
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    stated = environment.get("PYTHONPATH", runtime_dir)
    if stated == runtime_dir:
        before = [f"/opt/python/lib/{version}/site-packages", "/opt/python"]
    else:
        before = [path for path in stated.split(":") if path]
    own_dir = os.path.dirname(os.path.abspath(__file__))
    kept = [path for path in sys.path if path != own_dir]
    sys.path[:] = [task_root, *before, *kept, *packages_dirs(), own_dir]
    # Files ending in .pth in these folders add to the path.
    for folder in (task_root, *before):
        site.addsitedir(folder)


def packages_dirs():
    """Where the SDK lies beside an interpreter that Hearth laid out: Python itself may look for packages elsewhere."""
    folder = os.path.join(sys.prefix, "lib", f"python{sys.version_info.major}.{sys.version_info.minor}", "site-packages")
    return [folder] if folder not in sys.path and os.path.isdir(folder) else []


# ── Exec wrapper ──────────────────────────────────────────────────────────────────────────────

_EXEC_WRAPPER = "AWS_LAMBDA_EXEC_WRAPPER"
# Tells the runtime that a wrapper starts that it need not wait for its function.
_WRAPPED = "HEARTH_WRAPPED"
_REPORT_USAGE = "HEARTH_REPORT_USAGE"


def become_wrapper(wrapper, order):
    """
    Makes this process the function's AWS_LAMBDA_EXEC_WRAPPER, with the command line of this runtime, which it is to run,
    perhaps with other options and variables.
    """
    environment = {**order["environment"], _WRAPPED: "1"}
    if _REPORT_USAGE in os.environ:
        environment[_REPORT_USAGE] = os.environ[_REPORT_USAGE]
    os.set_inheritable(AGENT_FD, True)
    # Python ignores it, and programs would go on ignoring it.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        os.chdir(order["taskRoot"])
        os.execve(wrapper, [wrapper, sys.executable, *sys.orig_argv[1:]], environment)
    except FileNotFoundError:
        os.write(2, f"{wrapper}: does not exist\n".encode())
        os._exit(EXIT_NOT_FOUND)
    except OSError as error:
        os.write(2, f"{wrapper}: is not an executable: {error.strerror}\n".encode())
        os._exit(EXIT_NOT_EXECUTABLE)


def wrapped_order():
    """What a runtime that a wrapper started is to load: its environment says it, as the wrapper left it; else None."""
    environment = dict(os.environ)
    if environment.pop(_WRAPPED, None) is None:
        return None
    environment.pop(_REPORT_USAGE, None)
    task_root = environment.get("LAMBDA_TASK_ROOT", "/var/task")
    return {"environment": environment, "handler": environment.get("_HANDLER", ""), "taskRoot": task_root}


# ── Handler ───────────────────────────────────────────────────────────────────────────────────


def load_handler(name):
    """
    Finds and loads `folder/module.function`. Raises what the module raises; Fault with Lambda's own types when it cannot
    be found, parsed, or has no such function.
    """
    try:
        module_name, function_name = name.rsplit(".", 1)
    except ValueError as error:
        raise Fault("Runtime.MalformedHandlerName", f"Bad handler '{name}': {error}") from None
    try:
        if module_name.split(".")[0] in sys.builtin_module_names:
            message = f"Cannot use built-in module {module_name} as a handler module"
            raise Fault("Runtime.BuiltInModuleConflict", message)
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise Fault("Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}") from None
    except SyntaxError as error:
        trace = [f'  File "{error.filename}" Line {error.lineno}\n    {error.text}']
        message = f"Syntax error in module '{module_name}': {error}"
        raise Fault("Runtime.UserCodeSyntaxError", message, trace) from None
    try:
        return getattr(module, function_name)
    except AttributeError:
        message = f"Handler '{function_name}' missing on module '{module_name}'"
        raise Fault("Runtime.HandlerNotFound", message) from None


# ── Invocations ───────────────────────────────────────────────────────────────────────────────

# Lambda's largest response, as in src/model/response-limit.ts.
RESPONSE_BYTES_MAX = 6_291_556
_RESPONSE_TOO_LARGE = {
    "errorMessage": f"Response payload size exceeded maximum allowed payload size ({RESPONSE_BYTES_MAX} bytes).",
    "errorType": "Function.ResponseSizeTooLarge",
}


class UsageMeter:
    """
    CPU time and memory of the process, for kinds of instances whose agent cannot measure from outside. Both are system
    calls, so they are made only when asked for; else all is 0.
    """

    def __init__(self, is_on):
        self._is_on = is_on
        self._begun_ns = 0

    def begin(self):
        if self._is_on:
            self._begun_ns = time.process_time_ns()

    def read(self):
        """CPU microseconds since `begin`, and the bytes of memory that the process holds now."""
        if not self._is_on:
            return 0, 0
        return (time.process_time_ns() - self._begun_ns) // 1000, _memory_bytes()


def _memory_bytes():
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


class Invoker:
    """Runs the invocations of one function, one at a time."""

    def __init__(self, channel, output, log, usage, marshaller, trace_id, handler, environment):
        self._send = channel.send
        self._output = output
        self._log = log
        self._usage = usage
        self._marshaller = marshaller
        self._trace_id = trace_id
        self._handler = handler
        self._facts = FunctionFacts(environment)

    def invoke(self, order, payload):
        request_id = order["requestId"]
        quoted_id = json.dumps(request_id)
        try:
            event = self._marshaller.event(payload)
        except (ValueError, RecursionError):
            self._send(f'{{"kind":"invalidPayload","requestId":{quoted_id}}}'.encode())
            return
        self._log.begin(request_id)
        self._trace_id.set(order["traceId"])
        self._usage.begin()
        kind = "result"
        try:
            context = LambdaContext(self._facts, order, client_context_of(order), self._output)
            answer = self._marshaller.response(self._handler(event, context))
        except Exception as error:
            kind = "error"
            described = describe_error(error, request_id)
            self._log.failure(described)
            answer = error_text(described)
        self._output.end_line()
        members = ""
        if len(answer) > RESPONSE_BYTES_MAX:
            kind, answer = "responseTooLarge", b""
        elif kind == "error":
            members = ',"fatal":false'
        cpu_us, memory_bytes = self._usage.read()
        header = f'{{"kind":"{kind}","requestId":{quoted_id},"cpuUs":{cpu_us},"memoryBytes":{memory_bytes}{members}}}'
        self._send(header.encode(), answer)


def error_text(described):
    return json.dumps(described).encode()


class Runtime:
    """One process: blank, then a function's."""

    def __init__(self, connection):
        self._frames = FrameReader(connection)
        self._channel = Channel(connection)
        self._output = LogOutput(self._channel)
        self._log = FunctionLogging(self._output)
        self._usage = UsageMeter(os.environ.get(_REPORT_USAGE) == "1")
        self._trace_id = TraceIdVariable()

    def run(self):
        order = wrapped_order()
        if order is None:
            warm_up()
        capture_streams(self._output)
        atexit.register(self._output.end_line)
        os.register_at_fork(after_in_child=self._output.leave_in_child)
        if order is None:
            order = self._wait_blank()
        invoker = self._initialize(order)
        while True:
            invoker.invoke(*self._order("invoke", "ready"))

    def _wait_blank(self):
        self._channel.send(b'{"kind":"blank"}')
        order, _payload = self._order("init", "blank")
        wrapper = order["environment"].get(_EXEC_WRAPPER)
        if wrapper:
            become_wrapper(wrapper, order)
        return order

    def _order(self, kind, state):
        """The next order and its payload; ends the process when there is none, or another kind of order."""
        try:
            frame = self._frames.next()
        except ConnectionError:
            frame = None
        except (ValueError, RecursionError) as error:
            _break_off(str(error))
        if frame is None:
            os._exit(0)
        order, payload = frame
        said = order.get("kind") if isinstance(order, dict) else None
        if said != kind:
            _break_off(f"order {json.dumps(said)} while {state}")
        return order, payload

    def _initialize(self, order):
        start_ns = time.perf_counter_ns()
        environment = order["environment"]
        error = None
        try:
            replace_environment(environment)
            self._trace_id.install()
            self._log.set_up(environment)
            os.chdir(order["taskRoot"])
            set_search_path(environment, order["taskRoot"])
            handler = load_handler(order["handler"])
            # Up to 3.11 AWS's runtime answers in ASCII.
            marshaller = Marshaller(is_ascii=sys.version_info < (3, 12))
        except Exception as raised:
            error = describe_error(raised, "")
        if error is not None:
            self._die(error)
        self._output.end_line()
        init_us = (time.perf_counter_ns() - start_ns) // 1000
        self._channel.send(f'{{"kind":"initDone","initUs":{init_us}}}'.encode())
        return Invoker(
            self._channel, self._output, self._log, self._usage, marshaller, self._trace_id, handler, environment
        )

    def _die(self, error):
        self._log.failure(error)
        answer = error_text(error)
        if len(answer) > RESPONSE_BYTES_MAX:
            answer = error_text(_RESPONSE_TOO_LARGE)
        self._channel.send(b'{"kind":"initError"}', answer)
        sys.exit(EXIT_INIT_ERROR)


def _break_off(violation):
    os.write(2, f"hearth: the agent broke the runtime protocol: {violation}\n".encode())
    os._exit(EXIT_PROTOCOL_VIOLATION)


# ── Warming up ────────────────────────────────────────────────────────────────────────────────

# Parts of the standard library that most functions need, the AWS SDK for one.
_PARTS = (
    "base64",
    "calendar",
    "collections.abc",
    "concurrent.futures.thread",
    "contextlib",
    "copy",
    "dataclasses",
    "datetime",
    "email.parser",
    "enum",
    "gzip",
    "hashlib",
    "hmac",
    "html",
    "http.client",
    "inspect",
    "itertools",
    "pathlib",
    "platform",
    "queue",
    "random",
    "re",
    "shutil",
    "signal",
    "ssl",
    "string",
    "tempfile",
    "typing",
    "urllib.parse",
    "urllib.request",
    "uuid",
    "xml.etree.ElementTree",
    "zipfile",
    "zlib",
)


class _Nowhere:
    """Takes what is sent during the rehearsal."""

    def send(self, _header, _payload=b""):
        pass


def warm_up():
    """Does early what would otherwise be done for the first time while a caller waits for a cold start."""
    for part in _PARTS:
        try:
            importlib.import_module(part)
        except ImportError:
            pass  # An interpreter that was built without it.
    _rehearse()
    gc.collect()
    # What lives now lives for good: later collections need not look at it, nor write to its pages.
    gc.freeze()


def _rehearse():
    output = LogOutput(_Nowhere())
    log = FunctionLogging(output)
    trace_id = TraceIdVariable()
    trace_id._data = {}
    order = {"requestId": "", "deadlineMs": 0, "invokedArn": "", "traceId": ""}
    for is_ascii in (True, False):
        marshaller = Marshaller(is_ascii)
        for handler in (lambda event, _context: event, lambda _event, _context: 1 / 0):
            invoker = Invoker(_Nowhere(), output, log, UsageMeter(False), marshaller, trace_id, handler, {})
            for _ in range(10):
                invoker.invoke(order, b'{"rehearsal":[1,"two"]}')
    record = logging.makeLogRecord({"msg": "rehearsal", "levelno": 20, "levelname": "INFO", "aws_request_id": ""})
    logging.Formatter(_TEXT_FORMAT, _TIME_FORMAT).format(record)
    JsonFormatter().format(record)
    try:
        load_handler("hearth_rehearsal_of_no_module.handler")
    except Fault:
        pass


def main():
    os.set_inheritable(AGENT_FD, False)
    connection = socket.socket(fileno=AGENT_FD)
    connection.setblocking(True)
    Runtime(connection).run()


if __name__ == "__main__":
    main()
