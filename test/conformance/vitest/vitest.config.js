export default {
  root: import.meta.dirname,
  // The kit takes the global functions, unless it is given others.
  test: { globals: true, include: ['*.ts'], reporters: ['json'] },
};
