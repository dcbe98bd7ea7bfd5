/** A shape of the service model, as the generator (bin/lambda-constraints.mjs) keeps it. */
export type Shape = {
  readonly type: string;
  readonly min?: number;
  readonly max?: number;
  readonly pattern?: string;
  readonly enum?: readonly string[];
  readonly required?: readonly string[];
  /** Names of the shapes of a list's elements, of a map's keys and values. */
  readonly member?: string;
  readonly key?: string;
  readonly value?: string;
  readonly members?: Readonly<Record<string, { readonly shape: string }>>;
};

/**
 * Where recorded answers of AWS differ from its published model, they win. Enumerations: the order in which the answers
 * list them.
 */
export const RECORDED_ENUMS: Readonly<Record<string, Pick<Shape, "enum">>> = {
  RecursiveLoop: { enum: ["Terminate", "Allow"] },
  InvokeMode: { enum: ["RESPONSE_STREAM", "BUFFERED"] },
  EventSourcePosition: { enum: ["LATEST", "AT_TIMESTAMP", "TRIM_HORIZON"] },
  PackageType: { enum: ["Image", "Zip"] },
};

export const RECORDED_SHAPES: Readonly<Record<string, Partial<Shape>>> = {
  // The rest of the model's range is for functions on instances of one's own.
  MemorySize: { max: 10_240 },
  Timeout: { max: 900 },
  SubnetId: { max: 1024, min: 0, pattern: "subnet-[0-9a-z]*" },
  SecurityGroupId: { max: 1024, min: 0, pattern: "sg-[0-9a-zA-Z]*" },
  LayerVersionArn: {
    max: 2048,
    min: 1,
    pattern:
      "(arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:\\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+)|(arn:[a-zA-Z0-9-]+:lambda:::awslayer:[a-zA-Z0-9-_]+)",
  },
  TaggableResource: {
    pattern:
      "arn:(aws[a-zA-Z-]*):lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:\\d{12}:(function:[a-zA-Z0-9-_]+(:(\\$LATEST|[a-zA-Z0-9-_]+))?|layer:([a-zA-Z0-9-_]+)|code-signing-config:csc-[a-z0-9]{17}|event-source-mapping:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|capacity-provider:[a-zA-Z0-9-_]+)",
  },
};

/** Elements of which AWS does not say that they must not be null. */
export const VALUES_THAT_MAY_BE_NULL: ReadonlySet<string> = new Set(["SubnetId", "SecurityGroupId"]);

/** Maps with floating-point numbers as values. */
export const DOUBLE_MEMBERS: ReadonlySet<string> = new Set(["AdditionalVersionWeights"]);
