/**
 * The one table of failures that are not the function's own. `public`: the exception name that
 * Lambda's clients know. `fault`: whose it is. `retryable`: whether the same call may succeed later.
 */
export const ERROR_CODES = {
  CONCURRENCY_LIMIT: {
    public: "TooManyRequestsException",
    status: 429,
    fault: "caller",
    retryable: true,
    says: "The account's concurrent executions are at their limit; call again later or raise the limit.",
  },
  RESERVED_CONCURRENCY_LIMIT: {
    public: "TooManyRequestsException",
    status: 429,
    fault: "caller",
    retryable: true,
    says: "The function runs as many executions at a time as are reserved for it; call again later or reserve more.",
  },
  SCALING_RATE_LIMIT: {
    public: "TooManyRequestsException",
    status: 429,
    fault: "caller",
    retryable: true,
    says: "The function takes new containers faster than the server's scaling rate allows; call again later.",
  },
  INVOCATION_RATE_LIMIT: {
    public: "TooManyRequestsException",
    status: 429,
    fault: "caller",
    retryable: true,
    says: "The account's functions are called more often in a second than its concurrent executions allow; call again later.",
  },
  RESERVED_INVOCATION_RATE_LIMIT: {
    public: "TooManyRequestsException",
    status: 429,
    fault: "caller",
    retryable: true,
    says: "The function is called more often in a second than its reserved executions allow; call again later.",
  },
  QUEUE_FULL: {
    public: "TooManyRequestsException",
    status: 429,
    fault: "server",
    retryable: true,
    says: "More invocations wait for capacity than the server queues; call again later or add capacity.",
  },
  NO_CAPACITY: {
    public: "TooManyRequestsException",
    status: 429,
    fault: "server",
    retryable: true,
    says: "No instance had room for the function within the time an invocation may wait; call again later, lower its memory or add capacity.",
  },
  TOO_LARGE: {
    public: "InvalidParameterValueException",
    status: 400,
    fault: "caller",
    retryable: false,
    says: "The function asks for more memory than the largest instance of this server offers; lower its memory.",
  },
  INSTANCE_LOST: {
    public: "ServiceException",
    status: 500,
    fault: "server",
    retryable: true,
    says: "The instance that ran the function was lost before it answered; the call may have had effects and may be retried.",
  },
  AGENT_FAULT: {
    public: "ServiceException",
    status: 500,
    fault: "server",
    retryable: true,
    says: "The instance could not start or run the container; the server's log has the cause.",
  },
  LAUNCH_FAILED: {
    public: "ServiceException",
    status: 500,
    fault: "server",
    retryable: true,
    says: "No instance could be launched; `hearth status` says what the provider needs.",
  },
  INSUFFICIENT_CAPACITY: {
    public: "ServiceException",
    status: 500,
    fault: "server",
    retryable: true,
    says: "The place that instances come from has none of this kind left for now; others are tried, this one again later.",
  },
  RECLAIMED: {
    public: "ServiceException",
    status: 500,
    fault: "server",
    retryable: true,
    says: "The variable instance that ran the function was taken away before it answered; the call may have had effects and may be retried.",
  },
  NO_VARIABLE_CAPACITY: {
    public: "TooManyRequestsException",
    status: 429,
    fault: "server",
    retryable: true,
    says: "No variable instance satisfied the account's constraints within the time its settings allow; `hearth waits` shows what is missing.",
  },
  DEADLINE_MISSED: {
    public: "TooManyRequestsException",
    status: 429,
    fault: "server",
    retryable: false,
    says: "The invocation could not be begun in time for its deadline on the capacity that its account allows.",
  },
  JOIN_REFUSED: {
    public: "AccessDeniedException",
    status: 403,
    fault: "caller",
    retryable: false,
    says: "The join token is unknown, expired or was used before; make a new one with `hearth host token`.",
  },
  SHUTTING_DOWN: {
    public: "ServiceException",
    status: 503,
    fault: "server",
    retryable: true,
    says: "The server is shutting down and takes no new invocations.",
  },
  PROVIDER_UNAVAILABLE: {
    public: "ServiceException",
    status: 500,
    fault: "server",
    retryable: false,
    says: "The chosen provider cannot work on this host; the message names what is missing.",
  },
  STORE_FAILED: {
    public: "ServiceException",
    status: 500,
    fault: "server",
    retryable: true,
    says: "The data directory could not be read or written (full, read-only or damaged); free space or check the disk.",
  },
  STORE_NEWER: {
    public: "ServiceException",
    status: 500,
    fault: "caller",
    retryable: false,
    says: "The data directory was written by a newer Hearth; start that version or choose another --data.",
  },
  DATA_IN_USE: {
    public: "ServiceException",
    status: 500,
    fault: "caller",
    retryable: false,
    says: "Another Hearth server uses this data directory; stop it or choose another --data.",
  },
  CODE_CORRUPT: {
    public: "InvalidParameterValueException",
    status: 400,
    fault: "caller",
    retryable: false,
    says: "Could not unzip uploaded file. Please check your file, then try to upload again.",
  },
  CODE_TOO_LARGE: {
    public: "InvalidParameterValueException",
    status: 400,
    fault: "caller",
    retryable: false,
    says: "Unzipped size must be smaller than 262144000 bytes",
  },
  PROTOCOL_VIOLATION: {
    public: "ServiceException",
    status: 500,
    fault: "server",
    retryable: false,
    says: "An agent or a container sent a message that does not fit the protocol; it was cut off.",
  },
} as const satisfies Record<string, ErrorInfo>;

type ErrorInfo = {
  readonly public: string;
  readonly status: number;
  readonly fault: "caller" | "server";
  readonly retryable: boolean;
  readonly says: string;
};

export type ErrorCode = keyof typeof ERROR_CODES;

/** Why the control plane refuses an invocation, or gives up on one it had accepted. */
export type RejectCode = Extract<
  ErrorCode,
  | "CONCURRENCY_LIMIT"
  | "RESERVED_CONCURRENCY_LIMIT"
  | "SCALING_RATE_LIMIT"
  | "INVOCATION_RATE_LIMIT"
  | "RESERVED_INVOCATION_RATE_LIMIT"
  | "QUEUE_FULL"
  | "NO_CAPACITY"
  | "NO_VARIABLE_CAPACITY"
  | "DEADLINE_MISSED"
  | "TOO_LARGE"
  | "INSTANCE_LOST"
  | "RECLAIMED"
  | "LAUNCH_FAILED"
  | "SHUTTING_DOWN"
>;

/** A failure of the world, with a stable code. Broken assumptions are asserts instead. */
export class HearthError extends Error {
  readonly code: ErrorCode;
  /** What the code's own sentence cannot name. */
  readonly detail: string | undefined;

  constructor(code: ErrorCode, detail?: string, options?: ErrorOptions) {
    super(detail === undefined ? ERROR_CODES[code].says : `${ERROR_CODES[code].says} (${detail})`, options);
    this.name = "HearthError";
    this.code = code;
    this.detail = detail;
  }
}
