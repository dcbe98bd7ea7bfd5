import { randomUUID } from "node:crypto";
import type { EventRequest, Extension, ExtensionEvent, LifecycleEvent } from "./extension.ts";

/** Lambda's limit, of internal and external extensions together. */
export const EXTENSIONS_MAX = 10;

/** Why a request is refused; the error types and texts are those of AWS's runtime interface emulator. */
export type Refusal = { readonly errorType: string; readonly errorMessage: string };

export type ExtensionBookEvents = {
  /** Every external extension has registered: the runtime may be initialised. */
  onRegistered(): void;
  /** Whoever init or the invocation waited for asks for its next event. Only after `closeRegistration`. */
  onReady(): void;
};

/**
 * Who is an extension of one container, and what each of them is doing. It knows no processes and no HTTP.
 *
 * Registration is open until the runtime has initialised. Every registered extension must then ask for its first
 * event; after an invocation's event, every one that was given it must ask for the next.
 */
export class ExtensionBook {
  readonly #events: ExtensionBookEvents;
  readonly #byName = new Map<string, Extension>();
  readonly #byId = new Map<string, Extension>();
  /** Whom init or the invocation waits for. */
  readonly #awaited = new Set<Extension>();
  #unregisteredExternals: number;
  #isOpen = true;

  /** @param externalNames programs that are started as extensions; not more than `EXTENSIONS_MAX`. */
  constructor(externalNames: readonly string[], events: ExtensionBookEvents) {
    this.#events = events;
    this.#unregisteredExternals = externalNames.length;
    for (const name of externalNames) this.#add(name, true, "Started");
  }

  get size(): number {
    return this.#byName.size;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get isReady(): boolean {
    return this.#awaited.size === 0;
  }

  all(): readonly Extension[] {
    return [...this.#byName.values()];
  }

  /** @returns the extension with this identifier, if it has registered. */
  find(id: string): Extension | undefined {
    return this.#byId.get(id);
  }

  register(name: string, events: readonly string[]): Extension | Refusal {
    const known = this.#byName.get(name);
    const isExternal = known?.isExternal === true;
    const wrong = events.map((event) => eventError(event, isExternal)).find((error) => error !== undefined);
    if (wrong !== undefined) return wrong;
    if (known !== undefined && known.state !== "Started") return isExternal ? notAllowed(known, "Registered") : TAKEN;
    if (known === undefined && !this.#isOpen) return CLOSED;
    if (known === undefined && this.#byName.size >= EXTENSIONS_MAX) return TOO_MANY;
    const extension = known ?? this.#add(name, false, "Started");
    extension.state = "Registered";
    extension.events = [...new Set(events as readonly LifecycleEvent[])];
    this.#byId.set(extension.id, extension);
    this.#awaited.add(extension);
    if (isExternal) this.#unregisteredExternals -= 1;
    if (isExternal && this.#unregisteredExternals === 0) this.#events.onRegistered();
    return extension;
  }

  /** @returns undefined: the request is kept open until there is an event for it. */
  next(extension: Extension, request: EventRequest): Refusal | undefined {
    const { state } = extension;
    // One whose earlier request was cut may be heard again before the cut is.
    const isAgain = state === "Ready" && extension.request?.isOpen() !== true;
    if (state !== "Registered" && state !== "Running" && !isAgain) return notAllowed(extension, "Ready");
    extension.state = "Ready";
    extension.request = request;
    const { missed } = extension;
    if (missed !== undefined) {
      extension.missed = undefined;
      this.#give(extension, missed);
      return undefined;
    }
    const wasAwaited = this.#awaited.delete(extension);
    if (wasAwaited && this.isReady && !this.#isOpen) this.#events.onReady();
    return undefined;
  }

  /** An extension tells that it failed, in its init or later. It may say so more than once; the first time counts. */
  fail(extension: Extension, state: "InitError" | "ExitError", errorType: string): Refusal | undefined {
    if (extension.state === state) return undefined;
    const { state: from } = extension;
    const isAllowed = from === "Registered" || (state === "ExitError" && (from === "Ready" || from === "Running"));
    if (!isAllowed) return notAllowed(extension, state);
    extension.state = state;
    extension.errorType = errorType;
    return undefined;
  }

  /** The runtime has initialised: nobody else is admitted. */
  closeRegistration(): void {
    this.#isOpen = false;
  }

  /** Tells of an invocation or of the end; `isReady` then waits for those who are told. @returns who is told. */
  tell(event: ExtensionEvent): readonly Extension[] {
    const told = this.all().filter(({ state, events }) => isAlive(state) && events.includes(event.eventType));
    for (const extension of told) {
      this.#awaited.add(extension);
      this.#give(extension, event);
    }
    return told;
  }

  #give(extension: Extension, event: ExtensionEvent): void {
    const { state, request } = extension;
    if (state === "Ready" && request?.isOpen() === true) {
      extension.state = "Running";
      extension.request = undefined;
      request.answer(event);
    } else {
      extension.missed = event;
    }
  }

  #add(name: string, isExternal: boolean, state: Extension["state"]): Extension {
    const id = randomUUID();
    const extension: Extension = {
      name,
      isExternal,
      id,
      state,
      events: [],
      errorType: undefined,
      request: undefined,
      missed: undefined,
    };
    this.#byName.set(name, extension);
    return extension;
  }
}

/** Whether its process may still take an event. */
function isAlive(state: Extension["state"]): boolean {
  return state === "Registered" || state === "Ready" || state === "Running";
}

function eventError(event: string, isExternal: boolean): Refusal | undefined {
  if (event === "INVOKE" || (event === "SHUTDOWN" && isExternal)) return undefined;
  const reason = event === "SHUTDOWN" ? "ShutdownEventNotSupportedForInternalExtension" : "ErrorInvalidEventType";
  return { errorType: "Extension.InvalidEventType", errorMessage: `${event}: ${reason}` };
}

function notAllowed({ state, name, id }: Extension, target: Extension["state"]): Refusal {
  const who = target === "Registered" ? name : id;
  return {
    errorType: "Extension.InvalidExtensionState",
    errorMessage: `State transition from ${state} to ${target} failed for extension ${who}. Error: State transition is not allowed`,
  };
}

const CLOSED: Refusal = {
  errorType: "Extension.RegistrationClosed",
  errorMessage: "Extension registration closed already",
};
const TAKEN: Refusal = {
  errorType: "Extension.InvalidExtensionState",
  errorMessage: "Extension with this name already registered",
};
const TOO_MANY: Refusal = {
  errorType: "Extension.TooManyExtensions",
  errorMessage: `Extension limit (${EXTENSIONS_MAX}) reached`,
};
