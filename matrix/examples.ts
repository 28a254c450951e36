import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../test/support/postgres/package-root.js'

/** What the head of an example tells its reader to type. */
export interface Example {
  /** File of `examples/`. */
  readonly file: string
  /** What `npm install` is given, but for this package. */
  readonly packages: readonly string[]
  /** What `node` is given. */
  readonly args: readonly string[]
}

export function example(file: string): Example {
  const source = readFileSync(join(packageRoot(), 'examples', file), 'utf8')
  const words = (command: string): readonly string[] =>
    new RegExp(`^// {3}${command} (.*)$`, 'm').exec(source)?.[1]?.split(' ') ?? []
  const packages = words('npm install').filter((name) => name !== 'otel-audit')
  return { file, packages, args: words('node') }
}
