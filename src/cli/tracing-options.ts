import { usageError } from "./cli-error.ts";

/** Where traces go, and how many of them. */
export type TracingOptions = {
  /** Of OTLP over HTTP. */
  readonly url: string;
  readonly sampler: { readonly name: (typeof SAMPLERS)[number]; readonly ratio: number };
};

type Given = { readonly text: string; readonly from: string };
type Env = Readonly<Record<string, string | undefined>>;

/** What OpenTelemetry's specification knows; those of vendors are not here. */
const SAMPLERS = [
  "always_on",
  "always_off",
  "traceidratio",
  "parentbased_always_on",
  "parentbased_always_off",
  "parentbased_traceidratio",
] as const;
const PROTOCOL = "http/protobuf";

/**
 * An endpoint of Hearth's own option is for traces, whatever OpenTelemetry's variables say of it; they say the rest.
 * @returns undefined: nobody wants traces. @throws CliError.
 */
export function tracingIn(endpoint: Given, env: Env): TracingOptions | undefined {
  const url = urlIn(endpoint, env);
  if (url === undefined) return undefined;
  for (const from of ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"]) {
    const text = env[from] || PROTOCOL;
    if (text === PROTOCOL) continue;
    throw usageError(`${from} ${text} is not spoken`, `set ${PROTOCOL}, and the collector's port for it: usually 4318`);
  }
  return { url, sampler: { name: samplerIn(env), ratio: ratioIn(env) } };
}

function urlIn(endpoint: Given, env: Env): string | undefined {
  if (endpoint.text !== "") return tracesUrl(endpoint);
  if (/^true$/i.test(env["OTEL_SDK_DISABLED"] ?? "") || env["OTEL_TRACES_EXPORTER"] === "none") return undefined;
  const from = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
  const own = env[from];
  if (own) return checked({ text: own, from });
  const common = env["OTEL_EXPORTER_OTLP_ENDPOINT"];
  return common ? tracesUrl({ text: common, from: "OTEL_EXPORTER_OTLP_ENDPOINT" }) : undefined;
}

/** The endpoint of all signals, as OpenTelemetry's specification of the exporter has it. */
function tracesUrl(endpoint: Given): string {
  return `${checked(endpoint).replace(/\/+$/, "")}/v1/traces`;
}

function checked({ text, from }: Given): string {
  if (/^https?:\/\/[^\s/]/.test(text) && URL.canParse(text)) return text;
  throw usageError(`${from} ${text} is no address of a collector`, "give one such as http://127.0.0.1:4318");
}

function samplerIn(env: Env): TracingOptions["sampler"]["name"] {
  const text = env["OTEL_TRACES_SAMPLER"] || "parentbased_always_on";
  const name = SAMPLERS.find((known) => known === text);
  if (name !== undefined) return name;
  throw usageError(`OTEL_TRACES_SAMPLER ${text} is unknown`, `set one of ${SAMPLERS.join(", ")}`);
}

function ratioIn(env: Env): number {
  const text = env["OTEL_TRACES_SAMPLER_ARG"] || "1";
  const ratio = Number(text);
  if (ratio >= 0 && ratio <= 1) return ratio;
  throw usageError(`OTEL_TRACES_SAMPLER_ARG ${text} is no share of the traces`, "set a number from 0 to 1");
}
