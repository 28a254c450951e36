import { example } from '../examples.js'
import type { World } from '../suite.js'
import { frameworkSuite } from './framework.js'
import { typeScript } from './typescript.js'

const EXPRESS_SCOPE = '@opentelemetry/instrumentation-express'

function fromExample(file: string) {
  const { args } = example(file)
  return { args, prepare: ({ consumer }: World) => consumer.take('examples', file) }
}

export const EXPRESS = frameworkSuite({
  name: 'Express 5',
  about: 'express',
  ...fromExample('express.mjs'),
  scopes: [EXPRESS_SCOPE],
})

// The auto-instrumentations have nothing of their own for Fastify any more.
export const FASTIFY = frameworkSuite({
  name: 'Fastify 5',
  about: 'fastify',
  ...fromExample('fastify.mjs'),
  scopes: [],
})

export const NEST = frameworkSuite({
  name: 'NestJS 11',
  about: '@nestjs/core',
  args: ['--require', 'otel-audit/register', 'nest/dist/main.js'],
  async prepare({ consumer }) {
    await consumer.take('matrix/apps', 'nest/main.ts', 'nest/tsconfig.json')
    await typeScript(consumer, 'nest')
  },
  scopes: [EXPRESS_SCOPE, '@opentelemetry/instrumentation-nestjs-core'],
})

export const FRAMEWORK_PACKAGES = [
  'express@^5.1.0',
  'fastify@^5.0.0',
  '@nestjs/common@^11.0.0',
  '@nestjs/core@^11.0.0',
  '@nestjs/platform-express@^11.0.0',
  'reflect-metadata@^0.2.2',
  'rxjs@^7.8.1',
]
