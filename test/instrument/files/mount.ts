import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { SecretPaths } from '../../../src/instrument/files/secret-paths.js'
import { watchFiles } from '../../../src/instrument/files/watch-files.js'
import type { InstrumentSettings } from '../../../src/instrument/settings.js'
import type { AuditOptions } from '../../../src/options/options.js'
import { type Watched, watched } from '../watched.js'

export const CANARY = 'hunter2-canary-of-a-file'

export interface Mount {
  /** Not part of the mount. */
  readonly outside: string
  /** The mounted directory. */
  readonly secrets: string
  /** A secret in it, with {@link CANARY}. */
  readonly secret: string
  /** The credential of a path in the directory. */
  credential(...names: string[]): string
}

/** A directory of secrets as Kubernetes mounts it, by links; gone after the test. */
export function mount(): Mount {
  const outside = realpathSync(mkdtempSync(join(tmpdir(), 'otel-audit-files-')))
  onTestFinished(() => rmSync(outside, { recursive: true, force: true }))
  const secrets = join(outside, 'secrets')
  mkdirSync(join(secrets, '..2026_11_29_20_00_00.1'), { recursive: true })
  writeFileSync(join(secrets, '..2026_11_29_20_00_00.1', 'db'), CANARY)
  symlinkSync('..2026_11_29_20_00_00.1', join(secrets, '..data'))
  symlinkSync(join('..data', 'db'), join(secrets, 'db'))
  writeFileSync(join(outside, 'plain'), 'plain')
  return {
    outside,
    secrets,
    secret: join(secrets, 'db'),
    credential: (...names) => `file:${[secrets, ...names].join('/')}`,
  }
}

/** {@link watched}, with the functions of `node:fs` replaced until the end of the test. */
export function watchedFiles(
  { secrets }: Pick<Mount, 'secrets'>,
  options: AuditOptions = {},
  settings: Partial<InstrumentSettings> = {},
): Watched {
  const files = watched(options, { files: new SecretPaths([secrets]), ...settings })
  onTestFinished(watchFiles(files.watch))
  return files
}
