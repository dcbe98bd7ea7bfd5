/** An object in a store that speaks S3's protocol. */
export type ObjectPlace = {
  readonly bucket: string;
  readonly key: string;
  /** undefined: the latest. */
  readonly version: string | undefined;
};

/** Where code comes from that is not sent with the request. */
export type ObjectSource = {
  /** The whole object. @throws ObjectRefusal; HearthError CODE_TOO_LARGE when it has more than `bytesMax`. */
  read(place: ObjectPlace, bytesMax: number): Promise<Buffer>;
};

/** The store did not give the object, for a reason that its owner can understand. */
export class ObjectRefusal extends Error {
  /** S3's own: `NoSuchKey`. */
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.name = "ObjectRefusal";
    this.code = code;
  }
}
