import type { ArchitectureType } from "@aws-sdk/client-ec2";
import { HearthError } from "../../model/error-code.ts";
import type { Ec2Client } from "./ec2-client.ts";

/** The machine image of the settings, as EC2 knows it. */
export type Image = {
  readonly architecture: ArchitectureType;
  /** `/dev/xvda`: the volume whose size the settings say. */
  readonly rootDevice: string;
};

/** @throws HearthError PROVIDER_UNAVAILABLE: there is no such image; the SDK's error. */
export async function readImage({ ec2, call }: Ec2Client, imageId: string): Promise<Image> {
  const { Images = [] } = await call(() => ec2.describeImages({ ImageIds: [imageId] }));
  const { Architecture: architecture, RootDeviceName: rootDevice } = Images[0] ?? {};
  if (architecture !== undefined && rootDevice !== undefined) return { architecture, rootDevice };
  throw new HearthError("PROVIDER_UNAVAILABLE", `EC2 settings: imageId: there is no image ${imageId} in this region`);
}
