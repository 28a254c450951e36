import { parseArgs } from 'node:util'

export interface MatrixOptions {
  /** Which lines, by combination and suite. */
  readonly only: RegExp
  /** Whether each check is printed. */
  readonly checks: boolean
  readonly help: boolean
}

export const HELP = `Installs the packed package into fresh directories, beside the packages that its users have, and runs it there.

  npm run test:matrix -- [--only <pattern>] [--checks]

  --only    a regular expression: only lines whose combination and suite match it, as 'node-22' or 'express'
  --checks  below each line its checks, with what they found
  --help    this text

Needs the npm registry; starts a Postgres of its own. One line for each suite, with the versions that ran; the exit code
is 1 when one of them failed.`

/** @throws TypeError with a text for the user */
export function matrixOptions(args: readonly string[]): MatrixOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string', default: '' },
      checks: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  return { only: new RegExp(values.only, 'i'), checks: values.checks, help: values.help }
}
