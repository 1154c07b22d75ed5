// A discord.js bot that keeps its own gateway and hands voice over to discordvoicesrc in a gst-launch-1.0.
// Usage: DISCORD_TOKEN=… node discordjs_recorder.mjs CHANNEL_ID DIRECTORY [SOURCE_PROPERTY=VALUE…]
// Ctrl-C ends the recording. DISCORD_API points to another API than Discord's.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Client, GatewayIntentBits } from 'discord.js';

const [channelId, directory, ...properties] = process.argv.slice(2);
const rest = process.env.DISCORD_API ? { api: process.env.DISCORD_API } : {};
const bot = new Client({ intents: [GatewayIntentBits.Guilds, GatewayIntentBits.GuildVoiceStates], rest });

bot.once('clientReady', async () => {
  const channel = await bot.channels.fetch(channelId);

  // The fourth descriptor (3) carries the credentials, as JSON lines with Lavalink's names.
  const recorder = spawn('gst-launch-1.0', [
    '-e', 'discordvoicesrc', `user-id=${bot.user.id}`, 'handover-fd=3', ...properties,
    '!', 'discorddecrypt', '!', 'discordfilesink', `location=${directory}/%u.wav`,
  ], { stdio: ['ignore', 'inherit', 'inherit', 'pipe'], detached: true });
  const credentials = recorder.stdio[3];
  credentials.on('error', () => {}); // the recorder has ended

  const handOver = (fields) => credentials.write(`${JSON.stringify(fields)}\n`);
  const adapter = channel.guild.voiceAdapterCreator({
    onVoiceStateUpdate: (d) => handOver({ sessionId: d.session_id, channelId: d.channel_id }),
    onVoiceServerUpdate: (d) => handOver({ token: d.token, endpoint: d.endpoint, guildId: d.guild_id }),
    destroy: () => credentials.end(),
  });
  const move = (channel_id) => adapter.sendPayload({
    op: 4, d: { guild_id: channel.guild.id, channel_id, self_mute: true, self_deaf: false },
  });

  move(channelId);
  const interrupted = once(process, 'SIGINT').then(() => recorder.kill('SIGINT'));
  await Promise.race([once(recorder, 'exit'), interrupted.then(() => once(recorder, 'exit'))]);
  move(null);
  await bot.destroy();
});

await bot.login(process.env.DISCORD_TOKEN);
