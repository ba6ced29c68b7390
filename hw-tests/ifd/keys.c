/* A reader with keys, for tests: the virtual reader of vsmartcard, and what it lacks.
 *
 * It is a driver for pcscd that hands every call on to libifdvpcd.so (VPCD, set when it is compiled), and answers
 * IFDHControl itself: the feature request of PC/SC part 10, and VERIFY_PIN_DIRECT. What "somebody types" stands in the
 * file that the variable SCEAU_KEYS names: digits, or "timeout", or "cancel".
 *
 * It is strict where real readers differ: a template that already holds a digit is refused (6B80), and so is a PIN of a
 * length that the structure does not allow (6403).
 */

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ifdhandler.h>
#include <reader.h>

#define FEATURE_CODE SCARD_CTL_CODE(FEATURE_VERIFY_PIN_DIRECT + 0x330000)
#define HEADER 5
/* Length of PIN_VERIFY_STRUCTURE up to abData. */
#define FIXED 19

static void *vpcd(const char *name)
{
	static void *library;
	if (library == NULL)
		library = dlopen(VPCD, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
	void *found = library == NULL ? NULL : dlsym(library, name);
	if (found == NULL) {
		fprintf(stderr, "keys: %s is not in %s\n", name, VPCD);
		abort();
	}
	return found;
}

#define PASS_ON(name, parameters, arguments) \
	RESPONSECODE name parameters { return ((RESPONSECODE(*) parameters) vpcd(#name)) arguments; }

PASS_ON(IFDHCreateChannelByName, (DWORD lun, LPSTR device), (lun, device))
PASS_ON(IFDHCreateChannel, (DWORD lun, DWORD channel), (lun, channel))
PASS_ON(IFDHCloseChannel, (DWORD lun), (lun))
PASS_ON(IFDHGetCapabilities, (DWORD lun, DWORD tag, PDWORD length, PUCHAR value), (lun, tag, length, value))
PASS_ON(IFDHSetCapabilities, (DWORD lun, DWORD tag, DWORD length, PUCHAR value), (lun, tag, length, value))
PASS_ON(IFDHSetProtocolParameters,
	(DWORD lun, DWORD protocol, UCHAR flags, UCHAR pts1, UCHAR pts2, UCHAR pts3),
	(lun, protocol, flags, pts1, pts2, pts3))
PASS_ON(IFDHPowerICC, (DWORD lun, DWORD action, PUCHAR atr, PDWORD length), (lun, action, atr, length))
PASS_ON(IFDHTransmitToICC,
	(DWORD lun, SCARD_IO_HEADER send, PUCHAR command, DWORD command_length, PUCHAR answer, PDWORD answer_length,
	 PSCARD_IO_HEADER receive),
	(lun, send, command, command_length, answer, answer_length, receive))
PASS_ON(IFDHICCPresence, (DWORD lun), (lun))

static RESPONSECODE say(unsigned status, PUCHAR answer, LPDWORD returned)
{
	answer[0] = (UCHAR)(status >> 8);
	answer[1] = (UCHAR)status;
	*returned = 2;
	return IFD_SUCCESS;
}

static RESPONSECODE verify(DWORD lun, const UCHAR *request, DWORD length, PUCHAR answer, DWORD room, LPDWORD returned)
{
	char typed[32] = "";
	const char *path = getenv("SCEAU_KEYS");
	FILE *keys = path == NULL ? NULL : fopen(path, "r");
	if (keys == NULL || length < FIXED + HEADER || length > FIXED + HEADER + 16)
		return say(0x6B80, answer, returned);
	char *line = fgets(typed, sizeof typed, keys);
	fclose(keys);
	if (line == NULL || strcmp(typed, "timeout") == 0)
		return say(0x6400, answer, returned);
	if (strcmp(typed, "cancel") == 0)
		return say(0x6401, answer, returned);

	size_t digits = strlen(typed);
	if (digits < request[6] || digits > request[5])
		return say(0x6403, answer, returned);
	DWORD template_length = request[15] | request[16] << 8;
	UCHAR command[HEADER + 16];
	if (template_length != length - FIXED || request[2] != 0x82 || digits > template_length - HEADER)
		return say(0x6B80, answer, returned);
	memcpy(command, request + FIXED, template_length);
	for (DWORD at = HEADER; at < template_length; at++)
		if (command[at] != 0xFF)
			return say(0x6B80, answer, returned);
	memcpy(command + HEADER, typed, digits);

	SCARD_IO_HEADER header = {0, 0}, received;
	*returned = room;
	return IFDHTransmitToICC(lun, header, command, template_length, answer, returned, &received);
}

RESPONSECODE IFDHControl(DWORD lun, DWORD code, PUCHAR request, DWORD length, PUCHAR answer, DWORD room,
	LPDWORD returned)
{
	*returned = 0;
	if (code == CM_IOCTL_GET_FEATURE_REQUEST && room >= 6) {
		const UCHAR feature[] = {FEATURE_VERIFY_PIN_DIRECT, 4, (UCHAR)(FEATURE_CODE >> 24),
			(UCHAR)(FEATURE_CODE >> 16), (UCHAR)(FEATURE_CODE >> 8), (UCHAR)FEATURE_CODE};
		memcpy(answer, feature, sizeof feature);
		*returned = sizeof feature;
		return IFD_SUCCESS;
	}
	if (code == FEATURE_CODE && room >= 2)
		return verify(lun, request, length, answer, room, returned);
	return IFD_ERROR_NOT_SUPPORTED;
}
