import { Agent, request } from "node:http";
import { zipOfEntries } from "../../../src/ports/contract/zip-fixture.ts";
import { eventually } from "./eventually.ts";

const ROLE = "arn:aws:iam::000000000000:role/test";
const ACTIVE_MS_MAX = 20_000;
const EXECUTABLE = 0o100755;

export type Files = Readonly<Record<string, string | Buffer>>;

/** An archive of files; those named `bootstrap` or in `bin/` or `extensions/` are executable. */
export function archiveOf(files: Files): Buffer {
  return zipOfEntries(
    Object.entries(files).map(([name, data]) => ({
      name,
      data,
      ...(/^(bootstrap$|bin\/|extensions\/)/.test(name) ? { mode: EXECUTABLE } : {}),
    })),
  );
}

export type DeployOptions = {
  readonly files: Files;
  readonly runtime?: string;
  readonly handler?: string;
  readonly timeoutS?: number;
  readonly memoryMiB?: number;
  readonly tmpMiB?: number;
  readonly environment?: Readonly<Record<string, string>>;
  /** ARNs of versions of layers. */
  readonly layers?: readonly string[];
  /** `LoggingConfig`. */
  readonly logging?: Readonly<Record<string, string>>;
};

export type Answer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
};

export type InvokeAnswer = Answer & {
  readonly requestId: string;
  /** AWS's name of what was refused, `TooManyRequestsException`. */
  readonly errorType: string | undefined;
  /** `Unhandled` when the function failed. */
  readonly functionError: string | undefined;
  /** Last 4 KiB of the log, if it was asked for. */
  readonly log: string;
  // biome-ignore lint/suspicious/noExplicitAny: what a test's own function answers
  readonly json: any;
};

/** Speaks Lambda's API unsigned, with no client library between the test and the wire. */
export class LambdaCaller {
  readonly #url: () => string;
  readonly #agent = new Agent({ keepAlive: true });

  /** @param url asked at each request: a server that was restarted has another. */
  constructor(url: () => string) {
    this.#url = url;
  }

  request(
    method: string,
    path: string,
    body: Buffer | string = "",
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const length = { "content-length": String(Buffer.byteLength(body)) };
      const outgoing = request(this.#url() + path, { method, agent: this.#agent, headers: { ...length, ...headers } });
      outgoing.on("error", reject);
      outgoing.on("response", (response) => {
        response.toArray().then((chunks) => {
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) });
        }, reject);
      });
      outgoing.end(body);
    });
  }

  /** Creates a function and waits until it is active. */
  async deploy(name: string, options: DeployOptions): Promise<void> {
    const answer = await this.create(name, options);
    if (answer.status !== 201) throw new Error(`${name}: ${answer.status} ${answer.body}`);
    await this.settled(name);
  }

  create(name: string, options: DeployOptions): Promise<Answer> {
    const {
      files,
      runtime = "nodejs24.x",
      handler = "index.handler",
      timeoutS,
      memoryMiB,
      tmpMiB,
      environment,
      layers,
      logging,
    } = options;
    const input = {
      FunctionName: name,
      Runtime: runtime,
      Handler: handler,
      Role: ROLE,
      Code: { ZipFile: archiveOf(files).toString("base64") },
      Timeout: timeoutS,
      MemorySize: memoryMiB,
      Layers: layers,
      LoggingConfig: logging,
      ...(tmpMiB === undefined ? {} : { EphemeralStorage: { Size: tmpMiB } }),
      ...(environment === undefined ? {} : { Environment: { Variables: environment } }),
    };
    return this.request("POST", "/2015-03-31/functions", JSON.stringify(input));
  }

  /** @returns the ARN of the version. */
  async publishLayer(name: string, files: Files): Promise<string> {
    const input = { Content: { ZipFile: archiveOf(files).toString("base64") } };
    const answer = await this.request("POST", `/2018-10-31/layers/${name}/versions`, JSON.stringify(input));
    if (answer.status !== 201) throw new Error(`${name}: ${answer.status} ${answer.body}`);
    return (JSON.parse(answer.body.toString()) as { LayerVersionArn: string }).LayerVersionArn;
  }

  async settled(name: string): Promise<void> {
    const isSettled = ({ body }: Answer) => {
      const { State: state, LastUpdateStatus: update } = JSON.parse(body.toString()) as Record<string, string>;
      return state === "Active" && update !== "InProgress";
    };
    const configuration = await eventually(
      () => this.request("GET", `/2015-03-31/functions/${name}/configuration`),
      isSettled,
      ACTIVE_MS_MAX,
    );
    if (!isSettled(configuration)) throw new Error(`${name} is not active: ${configuration.body}`);
  }

  /** @param payload JSON of it is sent; a Buffer or a string as it is. */
  async invoke(
    name: string,
    payload: unknown = {},
    options: { readonly type?: "RequestResponse" | "Event" | "DryRun"; readonly tail?: boolean } = {},
  ): Promise<InvokeAnswer> {
    const isRaw = typeof payload === "string" || Buffer.isBuffer(payload);
    const answer = await this.request(
      "POST",
      `/2015-03-31/functions/${name}/invocations`,
      isRaw ? payload : JSON.stringify(payload),
      {
        "x-amz-invocation-type": options.type ?? "RequestResponse",
        ...(options.tail === true ? { "x-amz-log-type": "Tail" } : {}),
      },
    );
    const header = (key: string) => answer.headers[key] as string | undefined;
    return {
      ...answer,
      requestId: header("x-amzn-requestid") ?? "",
      errorType: header("x-amzn-errortype"),
      functionError: header("x-amz-function-error"),
      log: Buffer.from(header("x-amz-log-result") ?? "", "base64").toString(),
      json: parsed(answer.body),
    };
  }

  /** Closes its idle connections. */
  close(): void {
    this.#agent.destroy();
  }
}

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    return undefined;
  }
}
