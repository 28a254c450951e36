/** One instruction of a Dockerfile, its lines joined. */
export interface Instruction {
  readonly name: string
  readonly text: string
}

/** What a `FROM` begins. */
export interface Stage {
  readonly image: string
  readonly name: string | undefined
  readonly instructions: readonly Instruction[]
}

/** How containers of the image are started. */
export interface ImageConfig {
  readonly env: Readonly<Record<string, string>>
  readonly user: string | undefined
  readonly command: readonly string[]
}

const KNOWN = new Set(['FROM', 'WORKDIR', 'COPY', 'RUN', 'ENV', 'USER', 'EXPOSE', 'ENTRYPOINT', 'CMD'])

/** @throws Error for an instruction that is not understood here: what is not run must not count as checked */
export function parseDockerfile(text: string): readonly Stage[] {
  const stages: { image: string; name: string | undefined; instructions: Instruction[] }[] = []
  const lines = text.replaceAll(/^\s*#.*\n/gm, '').replaceAll(/\\\n\s*/g, '')
  for (const line of lines.split('\n').filter((one) => one.trim() !== '')) {
    const [, name = '', rest = ''] = /^(\w+)\s+(.*)$/.exec(line) ?? []
    if (!KNOWN.has(name)) throw new Error(`not understood: ${line}`)
    if (name === 'FROM') {
      const [, image = '', as] = /^(\S+)(?: AS (\S+))?$/i.exec(rest) ?? []
      stages.push({ image, name: as, instructions: [] })
      continue
    }
    const stage = stages.at(-1)
    if (stage === undefined) throw new Error(`before the first FROM: ${line}`)
    stage.instructions.push({ name, text: rest })
  }
  return stages
}

/** Of the last stage. */
export function configOf({ instructions }: Stage): ImageConfig {
  const last = (name: string): string | undefined => instructions.findLast((one) => one.name === name)?.text
  const list = (text: string | undefined): string[] =>
    text === undefined ? [] : (JSON.parse(text) as string[])
  const env = instructions.filter(({ name }) => name === 'ENV').map(({ text }) => text.split('=', 2))
  return {
    env: Object.fromEntries(env) as Record<string, string>,
    user: last('USER'),
    command: [...list(last('ENTRYPOINT')), ...list(last('CMD'))],
  }
}

/** The paths that a `.dockerignore` of the form "everything but these" lets in. */
export function allowedPaths(text: string): readonly string[] {
  const [first, ...rest] = text.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('#'))
  if (first !== '*' || !rest.every((line) => line.startsWith('!')))
    throw new Error('not of the form * and !path')
  return rest.map((line) => line.slice(1))
}
