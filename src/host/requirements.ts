import { createRequire } from 'node:module'

// What has to be there before most other files of this package can be loaded: it is said in one line, and not as a stack.

/** Of these majors from this minor on, and all that are newer than the last. Those of `engines` in package.json. */
const LEAST: readonly (readonly [major: number, minor: number])[] = [
  [20, 19],
  [22, 12],
]

function isOld(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [newest = 0] = LEAST[LEAST.length - 1] ?? []
  if (major > newest) return false
  return !LEAST.some(([of, least]) => major === of && minor >= least)
}

/** What is said of a Node that is too old. */
export function unsupportedNode(): string {
  const least = LEAST.map((version) => version.join('.')).join(' or ')
  return `Node ${process.versions.node} is not supported: it takes ${least}, or what is newer`
}

function unmet(): string | undefined {
  if (isOld(process.versions.node)) return unsupportedNode()
  try {
    createRequire(import.meta.url).resolve('@opentelemetry/api')
    return undefined
  } catch {
    return '@opentelemetry/api is not installed. Install it beside this package: npm install @opentelemetry/api'
  }
}

/** Ends the process when Node is too old, or the one package is missing without which nothing can be loaded. */
export function refuseUnmet(exitCode: number): void {
  const problem = unmet()
  if (problem === undefined) return
  process.stderr.write(`AUDIT_MISSING_PACKAGE: ${problem}\n`)
  process.exit(exitCode)
}
