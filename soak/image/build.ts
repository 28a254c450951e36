import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { allowedPaths, configOf, type ImageConfig, type Instruction, parseDockerfile } from './dockerfile.js'

/** An image, as a directory: the file system of its last stage, as far as its own instructions made it. */
export interface BuiltImage extends ImageConfig {
  readonly root: string
}

/** Places of an image that its instructions name by absolute paths. The rest of the file system is this machine's. */
const OWN_PLACES = /(?<![\w/.])\/(app|build|var\/lib)(?=\/|\s|"|$)/g

/**
 * Runs the instructions of a Dockerfile in directories of this machine, by its own Node and npm: what they do is checked, and
 * not what the base image brings.
 *
 * @param into an empty directory
 */
export function buildOutsideContainer(context: string, dockerfile: string, into: string): BuiltImage {
  const stages = parseDockerfile(readFileSync(join(context, dockerfile), 'utf8'))
  const allowed = allowedPaths(readFileSync(join(context, `${dockerfile}.dockerignore`), 'utf8'))
  const roots = new Map<string, string>()
  let root = into
  for (const [index, { name = String(index), instructions }] of stages.entries()) {
    root = join(into, name)
    mkdirSync(root)
    roots.set(name, root)
    let directory = '/'
    for (const instruction of instructions) {
      console.log(`[${name}] ${instruction.name} ${instruction.text}`)
      if (instruction.name === 'WORKDIR') {
        directory = resolve(directory, instruction.text)
        mkdirSync(join(root, directory), { recursive: true })
      }
      if (instruction.name === 'RUN') runIn(root, directory, instruction)
      if (instruction.name === 'COPY')
        copy({ context, allowed, roots, to: join(root, directory) }, instruction)
    }
  }
  const last = stages.at(-1)
  if (last === undefined) throw new Error('a Dockerfile without a stage')
  const { command, ...config } = configOf(last)
  return { ...config, root, command: command.map((part) => part.replaceAll(OWN_PLACES, `${root}/$1`)) }
}

function runIn(root: string, directory: string, { text }: Instruction): void {
  const mapped = text.replaceAll(OWN_PLACES, `${root}/$1`)
  // `install -d` makes what a base image has.
  mkdirSync(join(root, 'var/lib'), { recursive: true })
  execFileSync('sh', ['-ec', mapped], { cwd: join(root, directory), stdio: ['ignore', 'ignore', 'inherit'] })
}

interface CopySource {
  readonly context: string
  readonly allowed: readonly string[]
  readonly roots: ReadonlyMap<string, string>
  readonly to: string
}

function copy({ context, allowed, roots, to }: CopySource, { text }: Instruction): void {
  const [, from, rest = ''] = /^(?:--from=(\S+) )?(.*)$/.exec(text) ?? []
  const paths = rest.split(/\s+/)
  const target = join(to, paths.pop() ?? '.')
  if (from !== undefined) {
    const stage = roots.get(from)
    if (stage === undefined) throw new Error(`there is no stage ${from}`)
    for (const path of paths.flatMap((pattern) => matching(join(stage, pattern)))) copyInto(path, target)
    return
  }
  for (const path of paths) {
    const found = path === '.' ? allowed : allowed.filter((one) => one === path || one.startsWith(`${path}/`))
    if (found.length === 0) throw new Error(`${path} is not in the context`)
    for (const one of found) {
      const at = join(target, path === '.' ? one : basename(one))
      mkdirSync(dirname(at), { recursive: true })
      cpSync(join(context, one), at, { recursive: true })
    }
  }
}

/** `*` stands for any characters of the last part of the path. */
function matching(pattern: string): readonly string[] {
  if (!pattern.includes('*')) return [pattern]
  const [head = '', tail = ''] = basename(pattern).split('*')
  const found = readdirSync(dirname(pattern)).filter((name) => name.startsWith(head) && name.endsWith(tail))
  if (found.length === 0) throw new Error(`nothing matches ${pattern}`)
  return found.map((name) => join(dirname(pattern), name))
}

/** A directory's content, or a file. */
function copyInto(source: string, target: string): void {
  const isDirectory = statSync(source).isDirectory()
  cpSync(source, isDirectory ? target : join(target, basename(source)), {
    recursive: true,
    verbatimSymlinks: true,
  })
}
