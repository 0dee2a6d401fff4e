/** Put into the agent by a drop-in of the checks: makes its event loop turn no more, as a bug would. */
process.on('SIGUSR2', () => {
  for (;;);
});
