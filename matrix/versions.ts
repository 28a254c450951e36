import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Consumer } from './consumer.js'

/** What really ran. */
export interface Versions {
  readonly node: string
  /** Name and version of the packages that were asked for. */
  readonly others: readonly (readonly [name: string, version: string])[]
}

/** Asks the Node for its version, and the installed packages for theirs. */
export async function versionsOf(consumer: Consumer, packages: readonly string[]): Promise<Versions> {
  const { stdout } = await promisify(execFile)(consumer.node, ['--version'])
  const others: [string, string][] = []
  for (const spec of packages) {
    const name = spec.replace(/(?<=.)@.*/, '')
    others.push([name.replace('@opentelemetry/', ''), (await consumer.version(name)) ?? 'missing'])
  }
  return { node: stdout.trim().slice(1), others }
}
