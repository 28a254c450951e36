import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { install } from './npm.js'

/**
 * A Node of a version line, as `22`: this one if it is of that line, else that of the npm package for this platform.
 *
 * @param directory kept between runs: a Node is 200 MB
 * @returns its path
 */
export async function nodeBinary(line: string, directory: string): Promise<string> {
  if (process.version.startsWith(`v${line}.`)) return process.execPath
  const home = join(directory, `node-${line}`)
  await mkdir(home, { recursive: true })
  await writeFile(join(home, 'package.json'), '{ "private": true }')
  const name = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`
  await install(home, [`${name}@${line}`])
  return join(home, 'node_modules', name, 'bin', 'node')
}
