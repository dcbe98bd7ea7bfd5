import { readFile } from "node:fs/promises";
import { z } from "zod";
import { HearthError } from "../../model/error-code.ts";
import { isPythonRuntime, type PythonRuntime, RUNTIMES } from "../../model/runtime.ts";

/** A machine must be able to hold a container beside the operating system. */
const ON_DEMAND_USD_MAX = 1000;

const idSchema = (prefix: string, remedy: string) =>
  z.string(remedy).regex(new RegExp(`^${prefix}-[0-9a-f]{8,17}$`), `is no id: ${remedy}`);

const sha256Schema = z.string().regex(/^[0-9a-f]{64}$/, "give 64 hexadecimal digits, as `sha256sum` prints them");

/** A file that a new machine fetches; nothing is run before its checksum is right. */
const downloadSchema = z.strictObject({
  url: z.url({ protocol: /^https?$/, error: "give an http or https URL that the machines can reach" }),
  sha256: sha256Schema,
});

const pythonRuntimes: readonly PythonRuntime[] = RUNTIMES.filter(isPythonRuntime);
/** Runtimes that the machines can run besides the others. */
const pythonsSchema = z
  .array(z.enum(pythonRuntimes, `give runtimes such as python3.13, of ${pythonRuntimes.join(", ")}`))
  .default([]);

const setupSchema = z.discriminatedUnion(
  "kind",
  [
    /** The image has everything: the `hearth` command and what the sandbox needs. */
    z.strictObject({
      kind: z.literal("prepared"),
      /** Of the `hearth` command in the image. */
      hearthPath: z
        .string()
        .regex(/^\/[\w./-]+$/, "give an absolute path of the image")
        .default("/opt/hearth/app/bin/hearth.mjs"),
      /** Whose interpreters the image has; one that it lacks costs the machine that is to run it. */
      pythons: pythonsSchema,
    }),
    /** A plain Debian image: the first boot installs Node.js and Hearth. */
    z.strictObject({
      kind: z.literal("debian"),
      /** Node's own `node-v…-linux-….tar.xz`. */
      node: downloadSchema,
      /** What `git archive --prefix=hearth/` makes of Hearth's repository, as `.tar.gz`. */
      hearth: downloadSchema,
      /** That of the image's Debian release, which is installed with boto3: 12 has python3.11, 13 has python3.13. */
      pythons: pythonsSchema.refine(({ length }) => length <= 1, "give one: a Debian release has one Python"),
    }),
  ],
  'give "prepared" for an image that has Hearth, or "debian" for a plain Debian image',
);

const settingsSchema = z
  .strictObject({
    /** `eu-west-1`. */
    region: z
      .string("give the region, such as eu-west-1")
      .regex(/^[a-z]{2}(-[a-z]+)+-\d$/, "give a region, such as eu-west-1"),
    /** Another EC2-compatible service than AWS's; absent: AWS. */
    endpoint: z
      .url({ protocol: /^https?$/, error: "give the http or https URL of an EC2-compatible service" })
      .optional(),
    imageId: idSchema("ami", "give the id of an image of this region, `aws ec2 describe-images` lists them"),
    /** One subnet for each availability zone that may be used, by the zone's name. */
    subnets: z
      .record(
        z.string().regex(/^[a-z]{2}(-[a-z0-9]+)+-\d[a-z]$/, "name each subnet by its zone, such as eu-west-1a"),
        idSchema("subnet", "give the id of the subnet of this zone, `aws ec2 describe-subnets` lists them"),
        'give a subnet for each zone: {"eu-west-1a": "subnet-…"}',
      )
      .refine((subnets) => Object.keys(subnets).length > 0, "give at least one zone with its subnet"),
    securityGroupIds: z
      .array(
        idSchema("sg", "give the id of a security group of the subnets' network"),
        "give a list of security groups",
      )
      .min(1, "give at least one; it needs no inbound rule, machines only dial out")
      .max(5, "EC2 allows five"),
    /** For people who want to look into a machine by SSH; absent: nobody can. */
    keyName: z.string().min(1, "give the name of a key pair, or leave it out").max(255).optional(),
    /** Name or ARN of an instance profile; Hearth needs none. Functions cannot reach its credentials. */
    instanceProfile: z.string().min(1, "give a name or an ARN, or leave it out").max(2048).optional(),
    /** What may be launched, by the name of the type. */
    instanceTypes: z
      .record(
        z.string().regex(/^[a-z0-9-]+\.[a-z0-9-]+$/, "give an instance type, such as m7i.large"),
        z.strictObject({
          /** The list price of the region; Hearth does not ask the pricing service. Also the most that is bid for spot. */
          onDemandUsdPerHour: z
            .number("give the on-demand price of one hour in USD, such as 0.1008")
            .positive("give a price above zero")
            .max(ON_DEMAND_USD_MAX, "this is no price of an hour in USD"),
        }),
        'give the types with their prices: {"m7i.large": {"onDemandUsdPerHour": 0.1008}}',
      )
      .refine((types) => Object.keys(types).length > 0, "give at least one instance type")
      .refine((types) => Object.keys(types).length <= 100, "give at most 100 instance types"),
    /** Types that are as good as each other, by a name for them: one offer, and EC2 chooses type and zone at each launch. */
    groups: z
      .record(
        z.string().regex(/^[a-z][a-z0-9-]{0,30}$/, "name a group with small letters, digits and hyphens"),
        z.array(z.string()).min(1, "give the types of the group").max(50, "give at most 50 types"),
      )
      .default({}),
    terms: z
      .array(z.enum(["on-demand", "spot"], 'give "on-demand", "spot" or both'))
      .min(1, 'give "on-demand", "spot" or both')
      .default(["on-demand", "spot"]),
    /** Where machines reach the server's remote endpoint; absent: what the server takes for its own address. */
    serverAddress: z
      .string()
      .regex(/^([A-Za-z0-9.-]+|\[[0-9a-fA-F:.]+\]):\d{1,5}$/, "give HOST:PORT as the machines can reach it")
      .optional(),
    /** How many machines there may be at once, whatever the core asks for: a bound for the bill. */
    machinesMax: z.int("give a whole number").min(1, "give at least 1").max(10_000, "give at most 10000").default(20),
    /** Of the root volume, which also holds what functions write to /tmp. */
    diskGiB: z.int("give a whole number").min(8, "give at least 8").max(16_384, "EC2 allows 16384").default(30),
    setup: setupSchema,
    /** How often EC2 is asked. */
    intervals: z
      .strictObject({
        /** For the spot prices. */
        pricesMs: z.int().min(100).max(3_600_000).default(60_000),
        /** Which of the machines still exist. */
        machinesMs: z.int().min(100).max(3_600_000).default(15_000),
        /** A machine whose agent did not join by then is ended. */
        joinMsMax: z.int().min(1000).max(3_600_000).default(600_000),
        /** One request to EC2, from the first to the last byte. */
        requestMsMax: z.int().min(100).max(120_000).default(10_000),
      })
      .prefault({}),
  })
  .superRefine(({ groups, instanceTypes }, context) => {
    const grouped = Object.entries(groups).flatMap(([name, types]) => types.map((type, at) => ({ name, type, at })));
    for (const { name, type, at } of grouped) {
      const complain = (message: string) => context.addIssue({ code: "custom", path: ["groups", name, at], message });
      if (instanceTypes[type] === undefined) complain(`give ${type} with its price under instanceTypes`);
      if (grouped.filter((other) => other.type === type).length > 1) complain(`${type} can be in one group only`);
    }
  });

/** What an operator says of EC2, see docs/providers/ec2.md. Holds no secrets: credentials come from where the AWS SDK looks. */
export type Ec2Settings = z.infer<typeof settingsSchema>;
export type Ec2Terms = Ec2Settings["terms"][number];

/**
 * Settings out of a JSON file's content.
 * @throws HearthError PROVIDER_UNAVAILABLE that names every bad field with its remedy.
 */
export function parseEc2Settings(input: unknown): Ec2Settings {
  const parsed = settingsSchema.safeParse(input);
  if (parsed.success) return parsed.data;
  const complaints = parsed.error.issues.flatMap((issue) => {
    // Of a bad key zod says so and no more; why is one level down.
    const reasons = issue.code === "invalid_key" ? issue.issues : [issue];
    return reasons.map(({ message }) => `${nameOf(issue.path)}: ${message}`);
  });
  throw new HearthError("PROVIDER_UNAVAILABLE", `EC2 settings: ${complaints.join("; ")}`);
}

/** @throws HearthError PROVIDER_UNAVAILABLE: the file cannot be read, is no JSON, or says something wrong. */
export async function readEc2Settings(path: string): Promise<Ec2Settings> {
  const fail = (cause: unknown) => {
    throw new HearthError("PROVIDER_UNAVAILABLE", `EC2 settings ${path}: ${(cause as Error).message}`, { cause });
  };
  const text = await readFile(path, "utf8").catch(fail);
  let input: unknown;
  try {
    input = JSON.parse(text);
  } catch (error) {
    fail(error);
  }
  return parseEc2Settings(input);
}

/** `subnets["eu-west-1a"]`, `securityGroupIds[0]`, as it would be written in code. */
function nameOf(path: readonly PropertyKey[]): string {
  if (path.length === 0) return "the file";
  return path.reduce<string>((name, part) => {
    if (typeof part === "number") return `${name}[${part}]`;
    if (!/^\w+$/.test(String(part))) return `${name}[${JSON.stringify(String(part))}]`;
    return name === "" ? String(part) : `${name}.${String(part)}`;
  }, "");
}
