const NAME = "_X_AMZN_TRACE_ID";

/**
 * The environment variable that changes with every invocation. It lives in front of the process's environment, not
 * in it: the C library keeps every value that was ever set, which would be a leak of 200 bytes per invocation. Programs
 * that the function starts get `process.env` as it looks from here, so they see it too.
 */
class TraceIdVariable {
  #value = "";

  /** Once, when the function's environment is in place. */
  install(): void {
    process.env[NAME] = ""; // Its place in the list of names.
    process.env = new Proxy(process.env, {
      get: (environment, name) => (name === NAME ? this.#value : Reflect.get(environment, name)),
      set: (environment, name, value) => {
        if (name !== NAME) return Reflect.set(environment, name, value);
        this.#value = String(value);
        return true;
      },
      getOwnPropertyDescriptor: (environment, name) => {
        const found = Reflect.getOwnPropertyDescriptor(environment, name);
        return found !== undefined && name === NAME ? { ...found, value: this.#value } : found;
      },
    });
  }

  set value(traceId: string) {
    this.#value = traceId;
  }
}

/** The one of this process. */
export const traceIdVariable = new TraceIdVariable();
