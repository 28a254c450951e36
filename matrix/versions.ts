import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Consumer } from './consumer.js'

const ALWAYS = ['@opentelemetry/api', '@opentelemetry/sdk-node']

/** What really ran. */
export interface Versions {
  readonly node: string
  /** As `express 5.1.0`. */
  readonly packages: readonly string[]
}

/** Asks the Node for its version, and the installed packages for theirs. */
export async function versionsOf(consumer: Consumer, about: readonly string[]): Promise<Versions> {
  const { stdout } = await promisify(execFile)(consumer.node, ['--version'])
  const packages: string[] = []
  for (const name of [...ALWAYS, ...about]) {
    const version = await consumer.version(name)
    if (version !== undefined) packages.push(`${name.replace('@opentelemetry/', '')} ${version}`)
  }
  return { node: stdout.trim().slice(1), packages }
}
