import { JSON } from '../../host/globals.js'
import type { Dirent } from 'node:fs'
import { access, readdir, readFile, realpath, stat } from 'node:fs/promises'
import { join, relative } from 'node:path'

export interface InstalledPackage {
  readonly name: string
  readonly version: string
  /** Its directory, seen from that of the application. */
  readonly path: string
}

/** How deep the workspaces of a repository lie. */
const DEEPEST_WORKSPACE = 4

/**
 * The packages below a directory: of npm, Yarn and pnpm, nested ones and those of workspaces. Reads names and versions, and
 * runs nothing. Each directory is visited once, whichever links lead to it.
 */
export class InstalledPackages {
  readonly #root: string
  readonly #visited = new Set<string>()
  readonly #found: InstalledPackage[] = []
  #names: ReadonlySet<string> = new Set()
  #hasNone = true
  #isPlugAndPlay = false

  constructor(root: string) {
    this.#root = root
  }

  /** There was no `node_modules`. */
  get hasNone(): boolean {
    return this.#hasNone
  }

  /** The packages are in the archives of Yarn. */
  get isPlugAndPlay(): boolean {
    return this.#isPlugAndPlay
  }

  async exists(): Promise<boolean> {
    return await stat(this.#root).then(
      (found) => found.isDirectory(),
      () => false,
    )
  }

  /** Those of these names, in the order of names and versions. */
  async list(names: readonly string[]): Promise<readonly InstalledPackage[]> {
    this.#names = new Set(names)
    this.#isPlugAndPlay = await access(join(this.#root, '.pnp.cjs')).then(
      () => true,
      () => false,
    )
    await this.#workspace(this.#root, 0)
    const order = (one: InstalledPackage): string => `${one.name} ${one.version} ${one.path}`
    return this.#found.sort((a, b) => (order(a) < order(b) ? -1 : 1))
  }

  async #workspace(directory: string, depth: number): Promise<void> {
    for (const entry of await entriesOf(directory)) {
      if (!entry.isDirectory() || entry.name.startsWith('.')) continue
      const path = join(directory, entry.name)
      if (entry.name === 'node_modules') await this.#modules(path)
      else if (depth < DEEPEST_WORKSPACE) await this.#workspace(path, depth + 1)
    }
  }

  async #modules(directory: string): Promise<void> {
    this.#hasNone = false
    if (!(await this.#isNew(directory))) return
    for (const entry of await entriesOf(directory)) {
      const path = join(directory, entry.name)
      if (entry.name === '.pnpm') await this.#store(path)
      else if (entry.name.startsWith('@')) {
        for (const scoped of await entriesOf(path)) {
          await this.#package(join(path, scoped.name), `${entry.name}/${scoped.name}`)
        }
      } else if (!entry.name.startsWith('.')) await this.#package(path, entry.name)
    }
  }

  /** pnpm's: each package beside its dependencies, in a directory of its own. */
  async #store(directory: string): Promise<void> {
    for (const entry of await entriesOf(directory)) {
      const modules = join(directory, entry.name, 'node_modules')
      if (entry.name !== 'node_modules' && (await entriesOf(modules)).length > 0) await this.#modules(modules)
    }
  }

  async #package(path: string, installedAs: string): Promise<void> {
    if (!(await this.#isNew(path))) return
    const nested = join(path, 'node_modules')
    if ((await entriesOf(nested)).length > 0) await this.#modules(nested)
    // An alias (`npm:`) is installed under another name.
    const found = await packageAt(path)
    if (found === undefined || !this.#names.has(found.name ?? installedAs)) return
    this.#found.push({
      name: found.name ?? installedAs,
      version: found.version ?? 'unknown',
      path: relative(this.#root, path),
    })
  }

  async #isNew(path: string): Promise<boolean> {
    const real = await realpath(path).catch(() => path)
    if (this.#visited.has(real)) return false
    this.#visited.add(real)
    return true
  }
}

async function entriesOf(directory: string): Promise<readonly Dirent[]> {
  return await readdir(directory, { withFileTypes: true }).catch(() => [])
}

async function packageAt(
  path: string,
): Promise<{ readonly name?: string; readonly version?: string } | undefined> {
  try {
    const manifest = JSON.parse(await readFile(join(path, 'package.json'), 'utf8')) as Record<string, unknown>
    const { name, version } = manifest
    return {
      ...(typeof name === 'string' && { name }),
      ...(typeof version === 'string' && { version }),
    }
  } catch {
    return undefined
  }
}
