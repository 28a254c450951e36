import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The root of this package, from its sources as well as from what they are compiled to. */
export function packageRoot(): string {
  for (
    let directory = import.meta.dirname;
    directory !== dirname(directory);
    directory = dirname(directory)
  ) {
    if (packageName(directory) === 'otel-audit') return directory
  }
  throw new Error(`no package.json of otel-audit above ${import.meta.dirname}`)
}

function packageName(directory: string): unknown {
  try {
    return (JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as { name?: unknown }).name
  } catch {
    return undefined
  }
}

/** The path of a plain JavaScript file of this directory, which the compiler does not copy. */
export function supportScript(name: string): string {
  return join(packageRoot(), 'test', 'support', 'postgres', name)
}
