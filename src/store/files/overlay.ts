import { chmod, link, mkdir, readdir, readlink, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { syncFolder } from "./unzip.ts";

/**
 * Lays folders over each other into `target`, which does not exist: files of later ones replace those of earlier ones,
 * folders are united, as if the archives had been unpacked one after another. Files are shared with their folders as
 * hard links, so that it costs names and no contents. Everything is on disk when it resolves, the name of `target` apart.
 */
export async function layOver(folders: readonly string[], target: string): Promise<void> {
  await makeFolder(target);
  const made: Folder = new Map();
  for (const folder of folders) await unite(folder, target, made);
  await syncAll(target, made);
}

/** What is in a folder so far. */
type Folder = Map<string, Folder | "file">;

async function unite(source: string, target: string, made: Folder): Promise<void> {
  for (const entry of await readdir(source, { withFileTypes: true })) {
    const [from, to] = [join(source, entry.name), join(target, entry.name)];
    const there = made.get(entry.name);
    if (entry.isDirectory()) {
      const folder = typeof there === "object" ? there : new Map();
      if (there === "file") await rm(to);
      if (folder !== there) await makeFolder(to);
      made.set(entry.name, folder);
      await unite(from, to, folder);
    } else {
      if (there !== undefined) await rm(to, { recursive: true });
      // A link is copied, never followed: it means what it says in the place where it will be seen.
      if (entry.isSymbolicLink()) await symlink(await readlink(from), to);
      else await link(from, to);
      made.set(entry.name, "file");
    }
  }
}

async function makeFolder(path: string): Promise<void> {
  await mkdir(path);
  await chmod(path, 0o755);
}

async function syncAll(path: string, made: Folder): Promise<void> {
  for (const [name, below] of made) if (below !== "file") await syncAll(join(path, name), below);
  await syncFolder(path);
}
