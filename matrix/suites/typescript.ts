import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Consumer } from '../consumer.js'
import type { Suite } from '../suite.js'

/** What a consumer compiles with. The declarations of the SDK need those of Node. */
export const TYPESCRIPT_PACKAGES = ['typescript@^5.9.0', '@types/node@^22.0.0']

/** Compiles a project with the compiler that the consumer has installed. */
export async function typeScript(consumer: Consumer, project: string): Promise<void> {
  const { code, stdout } = await consumer.run(['node_modules/typescript/bin/tsc', '-p', project])
  assert.equal(code, 0, stdout)
}

const STRICTEST = {
  strict: true,
  skipLibCheck: false,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  target: 'ES2022',
  types: ['node'],
  noEmit: true,
}

const RESOLUTIONS = [
  { module: 'node16', moduleResolution: 'node16' },
  { module: 'nodenext', moduleResolution: 'nodenext' },
  { module: 'esnext', moduleResolution: 'bundler' },
]

/** Declarations as consumers see them that check every declaration they load. */
export const TYPES: Suite = {
  name: 'TypeScript',
  about: ['typescript'],
  async run({ consumer, check }) {
    for (const resolution of RESOLUTIONS) {
      const project = `types-${resolution.moduleResolution}`
      await mkdir(join(consumer.directory, project), { recursive: true })
      await consumer.take('matrix/apps/types', 'service.ts')
      const config = { compilerOptions: { ...STRICTEST, ...resolution }, files: ['../service.ts'] }
      await writeFile(join(consumer.directory, project, 'tsconfig.json'), JSON.stringify(config))
      // As ES modules: with `node16` a CommonJS file cannot require an ES module.
      await writeFile(join(consumer.directory, 'package.json'), '{ "private": true, "type": "module" }')
      await check(resolution.moduleResolution, () => typeScript(consumer, project))
    }
  },
}
