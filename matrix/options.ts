import { parseArgs } from 'node:util'

export interface MatrixOptions {
  /** Which lines, by combination and suite. */
  readonly only: RegExp
  readonly help: boolean
}

export const HELP = `Installs the packed package into fresh directories, beside the packages that its users have, and runs it there.

  npm run test:matrix -- [--only <pattern>]

  --only   a regular expression: only lines whose combination and suite match it, as 'node-22' or 'express'
  --help   this text

Needs the npm registry; starts a Postgres of its own. One line for each suite, with the versions that ran; the exit code
is 1 when one of them failed.`

/** @throws TypeError with a text for the user */
export function matrixOptions(args: readonly string[]): MatrixOptions {
  const { values } = parseArgs({
    args: [...args],
    options: { only: { type: 'string', default: '' }, help: { type: 'boolean', default: false } },
  })
  return { only: new RegExp(values.only, 'i'), help: values.help }
}
