import { realpath, realpathSync } from 'node:fs'
import { resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { withoutTokens } from '../wire/target.js'

/** Where Docker, Kubernetes, the Vault agent and the CSI driver of secret stores mount secrets. */
export const USUAL_MOUNTS = [
  '/run/secrets/',
  '/var/run/secrets/',
  '/vault/secrets/',
  '/mnt/secrets-store/',
] as const

/** The token by which a pod speaks to its API server: its clients read it again every minute. */
const SERVICE_ACCOUNT = '/kubernetes.io/serviceaccount/'

/** Which files hold secrets: by directories that secrets are mounted in, or by their own paths. */
export class SecretPaths {
  readonly #roots: readonly string[]
  readonly #hasServiceAccount: boolean

  /** @param paths absolute: directories, with all that is in them, or files */
  constructor(paths: readonly string[]) {
    const roots = paths.map((path) => resolve(path))
    this.#roots = [...new Set(roots.flatMap((root) => [root, linkTarget(root) ?? root]))]
    this.#hasServiceAccount = roots.some((root) => `${slashed(root)}/`.includes(SERVICE_ACCOUNT))
  }

  /** A directory in which nothing is that has to be audited: {@link credentialOf} knows what would be in it. */
  get probe(): string | undefined {
    return this.#roots[0]
  }

  /** @param path absolute. @returns its name in a row; undefined when it is not one of them */
  credentialOf(path: string): string | undefined {
    if (!this.#roots.some((root) => path === root || path.startsWith(root + sep))) return undefined
    const shown = slashed(path)
    if (!this.#hasServiceAccount && shown.includes(SERVICE_ACCOUNT)) return undefined
    return `file:${withoutTokens(withoutVersions(shown))}`
  }

  /** The same for what a link leads to. */
  credentialBehind(path: string): string | undefined {
    const target = linkTarget(path)
    return target === undefined ? undefined : this.credentialOf(target)
  }

  /** {@link credentialBehind}, without keeping the thread of the application waiting for a file system. */
  credentialFarBehind(path: string): Promise<string | undefined> {
    return new Promise((settle) => {
      realpath.native(path, (error, target) => settle(error ? undefined : this.credentialOf(target)))
    })
  }
}

/** The path that a call of `node:fs` is given, as an absolute one; undefined for descriptors, handles, and what is no path. */
export function absolutePath(given: unknown): string | undefined {
  try {
    if (typeof given === 'string') return resolve(given)
    if (given instanceof Uint8Array) return resolve(Buffer.from(given).toString())
    return given instanceof URL ? fileURLToPath(given) : undefined
  } catch {
    // No URL of a file, or a working directory that is gone: the call itself says so.
    return undefined
  }
}

function linkTarget(path: string): string | undefined {
  try {
    return realpathSync.native(path)
  } catch {
    return undefined
  }
}

function slashed(path: string): string {
  return sep === '/' ? path : path.replaceAll(sep, '/')
}

/** Kubernetes swaps a volume by a link `..data` to a directory `..2026_11_29…`: the secret stays the same. */
function withoutVersions(path: string): string {
  return path.replaceAll(/\/\.\.[^/]+(?=\/)/g, '')
}
