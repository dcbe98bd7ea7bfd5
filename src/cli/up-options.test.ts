import { resolve } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CliError } from "./cli-error.ts";
import { upOptionsFrom } from "./up-options.ts";

describe("upOptionsFrom", () => {
  test("several providers; settings of EC2 are reason enough to use it", () => {
    expect(upOptionsFrom({ provider: "sandbox, harvest", ec2: "ec2.json" }, {}).fleet).toMatchObject({
      providers: ["sandbox", "harvest", "ec2"],
      ec2File: expect.stringMatching(/^\/.*ec2\.json$/),
    });
  });

  test("without anything: loopback, port 9600, sandbox where it works, with examples and network", () => {
    expect(upOptionsFrom({}, {})).toEqual({
      host: "127.0.0.1",
      port: 9600,
      dataDir: resolve(".hearth"),
      fleet: {
        providers: ["auto"],
        ec2File: undefined,
        agentHost: "0.0.0.0",
        agentPort: 9610,
        agentAdvertise: undefined,
        sandboxMemoryMiB: undefined,
        microvmMemoryMiB: undefined,
        harvest: {},
      },
      examples: true,
      network: true,
      limits: {},
      logLevel: "info",
      allowDeprecatedRuntimes: false,
      aws: { endpoints: {}, isShared: false },
    });
  });

  test("one endpoint for all of AWS, and others for single services", () => {
    const env = { HEARTH_AWS_ENDPOINT: "http://a.example", AWS_ENDPOINT_URL_SQS: "http://q.example" };
    const all = { SNS: "http://a.example", EVENTBRIDGE: "http://a.example", S3: "http://a.example" };
    expect(upOptionsFrom({}, env).aws.endpoints).toEqual({ ...all, SQS: "http://q.example" });
    expect(upOptionsFrom({ awsEndpoint: "http://b.example" }, env).aws.endpoints.SNS).toBe("http://b.example");
    expect(upOptionsFrom({}, { AWS_ENDPOINT_URL_S3: "http://s.example" }).aws.endpoints).toEqual({
      S3: "http://s.example",
    });
    expect(failureOf(() => upOptionsFrom({ awsEndpoint: "a.example" }, {})).message).toContain("--aws-endpoint");
    expect(upOptionsFrom({ awsShared: true }, {}).aws.isShared).toBe(true);
  });

  test("the command line wins over the environment, which wins over the default", () => {
    const env = { HEARTH_PORT: "1", HEARTH_PROVIDER: "process", HEARTH_NO_EXAMPLES: "1", HEARTH_NO_NETWORK: "0" };
    expect(upOptionsFrom({ port: "2" }, env)).toMatchObject({
      port: 2,
      fleet: { providers: ["process"] },
      examples: false,
      network: true,
    });
    expect(upOptionsFrom({ network: false }, env)).toMatchObject({ port: 1, network: false });
    expect(upOptionsFrom({}, { HEARTH_PORT: "" }).port).toBe(9600);
    expect(upOptionsFrom({}, { AWS_ENDPOINT_URL_S3: "http://s3:9000" }).s3Endpoint).toBe("http://s3:9000");
    expect(
      upOptionsFrom({ allowDeprecatedRuntimes: true }, { HEARTH_S3_ENDPOINT: "http://s3", AWS_ENDPOINT_URL_S3: "x" }),
    ).toMatchObject({ allowDeprecatedRuntimes: true, s3Endpoint: "http://s3" });
    expect(upOptionsFrom({}, {}).urlDomain).toBeUndefined();
    expect(upOptionsFrom({ urlDomain: "none" }, { HEARTH_URL_DOMAIN: "f.example.com" }).urlDomain).toBe("none");
    expect(upOptionsFrom({}, { HEARTH_URL_DOMAIN: "https://f.example.com" }).urlDomain).toBe("https://f.example.com");
    for (const urlDomain of ["ftp://x", "a/b", ".x", "a b"]) {
      expect(() => upOptionsFrom({ urlDomain }, {})).toThrow(/is no domain/);
    }
    expect(upOptionsFrom({ fixedPrice: "0.0125" }, {}).fixedUsdPerGiBHour).toBe(0.0125);
    expect(upOptionsFrom({}, {}).limits).toEqual({});
    expect(
      upOptionsFrom({ scalingRate: "off", accountConcurrency: "50" }, { HEARTH_REQUEST_RATE: "10" }).limits,
    ).toEqual({
      accountConcurrencyMax: 50,
      scalingContainers: Number.POSITIVE_INFINITY,
      requestsPerConcurrency: 10,
    });
  });

  test.each([
    [{ port: "70000" }, {}, /^--port 70000/],
    [{ s3Endpoint: "s3:9000" }, {}, /^--s3-endpoint s3:9000 is no address/],
    [{ port: "8o" }, {}, /^--port/],
    [{}, { HEARTH_PORT: "-1" }, /^HEARTH_PORT -1/],
    [{ host: "bad host" }, {}, /^--host/],
    [{ host: "1.2.3" }, {}, /^--host/],
    [{ provider: "sandbox,sandbox" }, {}, /names sandbox twice/],
    [{ provider: "auto,process" }, {}, /auto is the sandbox/],
    [{ sandboxMemory: "64" }, {}, /^--sandbox-memory 64/],
    [{}, { HEARTH_HARVEST_NOTICE: "soon" }, /^HEARTH_HARVEST_NOTICE soon/],
    [{ provider: "docker" }, {}, /^--provider docker/],
    [{ logLevel: "loud" }, {}, /^--log-level loud/],
    [{ fixedPrice: "free" }, {}, /^--fixed-price free/],
    [{ accountConcurrency: "0" }, {}, /^--account-concurrency 0/],
    [{}, { HEARTH_SCALING_RATE: "fast" }, /^HEARTH_SCALING_RATE fast is no rate/],
    [{}, { HEARTH_FIXED_PRICE: "-1" }, /^HEARTH_FIXED_PRICE -1/],
    [{}, { HEARTH_NO_EXAMPLES: "maybe" }, /^HEARTH_NO_EXAMPLES maybe/],
  ])("%j with %j names the culprit and a remedy", (flags, env, says) => {
    const failure = failureOf(() => upOptionsFrom(flags, env));
    expect(failure.message).toMatch(says);
    expect(failure.exitCode).toBe(2);
    expect(failure.remedy).toBeTruthy();
  });

  test.each(["::1", "0.0.0.0", "localhost", "build-7.example.org"])("takes the host %s", (host) => {
    expect(upOptionsFrom({ host }, {}).host).toBe(host);
  });

  test("any text is either a port in range or refused", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.integer().map(String)), (port) => {
        try {
          expect(upOptionsFrom({ port }, {}).port).toSatisfy(
            (n: number) => Number.isInteger(n) && n >= 0 && n < 65_536,
          );
        } catch (error) {
          expect(error).toBeInstanceOf(CliError);
        }
      }),
    );
  });
});

function failureOf(action: () => unknown): CliError {
  try {
    action();
  } catch (error) {
    if (error instanceof CliError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}
