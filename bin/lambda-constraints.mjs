#!/usr/bin/env node
// Makes src/frontend/lambda/lambda-constraints.json, the constraints that AWS Lambda's service model puts on what
// operations are given, out of botocore's copy of that model: of a file (service-2.json or service-2.json.gz), or of the
// botocore of a Python.
//
//     node bin/lambda-constraints.mjs                       python3's botocore
//     node bin/lambda-constraints.mjs --python PATH         another one's
//     node bin/lambda-constraints.mjs --model FILE VERSION  a file, of that version of botocore
//     … --print                                             to standard output
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { gunzipSync } from "node:zlib";

const OUTPUT = fileURLToPath(new URL("../src/frontend/lambda/lambda-constraints.json", import.meta.url));
const FIND = `
import botocore, glob, os
print(botocore.__version__)
print(glob.glob(os.path.join(os.path.dirname(botocore.__file__), "data/lambda/2015-03-31/service-2.json*"))[0])`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { python: { type: "string", default: "python3" }, model: { type: "string" }, print: { type: "boolean" } },
});
const [version, path] =
  values.model === undefined
    ? execFileSync(values.python, ["-c", FIND], { encoding: "utf8" }).trim().split("\n")
    : [positionals[0] ?? "unknown", values.model];
const bytes = readFileSync(path);
const model = JSON.parse(path.endsWith(".gz") ? gunzipSync(bytes).toString() : bytes.toString());
const text = `${JSON.stringify({ botocore: version, ...constraintsOf(model) }, null, 1)}\n`;
if (values.print) process.stdout.write(text);
else writeFileSync(OUTPUT, text);

/** Operations by name, with the shape of their input; the shapes that those reach, without what is no constraint. */
function constraintsOf({ metadata, operations, shapes }) {
  const reached = {};
  const reach = (name) => {
    if (name in reached) return;
    reached[name] = {}; // Keeps its place, and ends a cycle.
    const shape = shapes[name];
    const { type, min, max, pattern, enum: values, required } = shape;
    const constraint = { type, min, max, pattern, enum: values, required };
    for (const part of ["member", "key", "value"]) {
      if (shape[part] === undefined) continue;
      constraint[part] = shape[part].shape;
      reach(shape[part].shape);
    }
    if (shape.members !== undefined) {
      constraint.members = Object.fromEntries(
        Object.entries(shape.members).map(([member, { shape: of, location, locationName }]) => {
          reach(of);
          return [member, { shape: of, location, locationName }];
        }),
      );
    }
    reached[name] = constraint;
  };
  const inputs = Object.values(operations).map(({ name, http, input }) => {
    if (input !== undefined) reach(input.shape);
    return [name, { method: http.method, path: http.requestUri, status: http.responseCode, input: input?.shape }];
  });
  return { apiVersion: metadata.apiVersion, operations: Object.fromEntries(inputs), shapes: reached };
}
