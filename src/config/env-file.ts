import { existsSync } from 'node:fs'
import { loadEnvFile } from 'node:process'

/** Reads `.env` of the working directory, if there is one, into the environment. What is set already stays as it is. */
export function readEnvFile(): void {
  if (existsSync('.env')) loadEnvFile('.env')
}
