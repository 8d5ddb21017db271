/** What a process that a test starts gets from the test's own environment: where programs are, and code that is compiled already. */
const { PATH = '', NODE_COMPILE_CACHE } = process.env

export const bareEnvironment: Record<string, string> = { PATH, ...(NODE_COMPILE_CACHE && { NODE_COMPILE_CACHE }) }
