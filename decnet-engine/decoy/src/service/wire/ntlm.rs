//! NTLM messages (MS-NLMP).
