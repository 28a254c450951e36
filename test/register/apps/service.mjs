import { createServer } from 'node:http'
import * as api from '@opentelemetry/api'
import { core } from '@opentelemetry/sdk-node'
import { SecretAuditService } from 'otel-audit'
import pg from 'pg'
import { handlerFor, run } from './accesses.cjs'

const server = createServer()
const audit = SecretAuditService.fromEnv()
server.on('request', handlerFor({ audit, api, core, pg, released: run(server) }))
