import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { onTestFinished } from 'vitest'
import { packageRoot } from './postgres/package-root.js'

/** A directory in which `otel-audit` is this package as it is built. Removed when the test ends. */
export async function packageUser(): Promise<string> {
  const parent = join(packageRoot(), 'build')
  await mkdir(parent, { recursive: true })
  const directory = await mkdtemp(join(parent, 'package-user-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  return directory
}

/**
 * Compiles files as a user of the package would, to JavaScript beside them.
 *
 * @param files TypeScript by name, without `.ts`
 * @param options compiler options beyond `strict`
 * @returns what the compiler says; empty when all is well
 */
export async function compile(
  directory: string,
  files: Readonly<Record<string, string>>,
  options: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const compilerOptions = {
    target: 'ES2023',
    module: 'nodenext',
    types: ['node'],
    strict: true,
    skipLibCheck: true,
    ...options,
  }
  for (const [name, source] of Object.entries(files)) await writeFile(join(directory, `${name}.ts`), source)
  const config = { compilerOptions, files: Object.keys(files).map((name) => `${name}.ts`) }
  await writeFile(join(directory, 'tsconfig.json'), JSON.stringify(config))
  return await output(process.execPath, [await compilerPath(), '--pretty', 'false', '-p', directory])
}

async function compilerPath(): Promise<string> {
  const manifest = createRequire(import.meta.url).resolve('typescript/package.json')
  const { bin } = JSON.parse(await readFile(manifest, 'utf8')) as { bin: { tsc: string } }
  return join(dirname(manifest), bin.tsc)
}

/** The output of a program that ended, however it did. */
function output(program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile(program, args, { cwd: packageRoot() }, (_, stdout) => resolve(stdout))
  })
}
