import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { JSON } from '../host/globals.js'
import type { ClientHook } from './client-hook.js'
import type { Watch } from './open-access.js'

const REASON = 'loaded before the audit: load otel-audit/register first, by --import or --require'

/**
 * Enters into the coverage which clients the process has loaded already: who has them has them as they were. One that is required
 * again gets its hook then, and says so.
 */
export function tellLoadedBefore({ coverage }: Pick<Watch, 'coverage'>, hooks: readonly ClientHook[]): void {
  const names = hooks.flatMap(({ packages }) => packages)
  const told = new Set<string>()
  for (const path of Object.keys(createRequire(import.meta.url).cache)) {
    const file = path.replaceAll('\\', '/')
    const name = names.find((one) => file.includes(`/node_modules/${one}/`))
    if (name === undefined) continue
    const below = `/node_modules/${name}`
    const directory = file.slice(0, file.lastIndexOf(`${below}/`)) + below
    if (told.has(directory)) continue
    told.add(directory)
    const copy = coverage.copy(name, versionIn(directory))
    if (copy.state === undefined) copy.notHooked(REASON)
  }
}

function versionIn(directory: string): string | undefined {
  try {
    const { version } = JSON.parse(readFileSync(`${directory}/package.json`, 'utf8')) as { version?: unknown }
    return typeof version === 'string' ? version : undefined
  } catch {
    return undefined
  }
}
